"""Words that tell a phone number from another row of digits, in the languages that we know."""

from __future__ import annotations

import re

# Ends where the number begins: a word for it, then little words and signs.
TELLS = re.compile(
    r"""(?:
    \b(?:tel|tél|telephone|telefon\w{0,3}|téléphone|teléfono|teléf|telefono|telefone|telefoon|fon|phone|mobile?|mobil\w{0,7}
        |cell|cellphone|cellular\w?|celular|call|ring|text[ ](?:me|us|him|her|them)|sms|whats[ ]?app|signal|telegram
        |viber|fax|handy\w{0,8}|ruf\w{0,8}|anruf\w{0,4}|erreich\w{0,5}|durchwahl|hotline|portable|fixe|appel\w{0,4}
        |joignable|joindre|gsm|móvil|movil|fijo|llám\w{0,4}|llam\w{0,4}|komórk\w{0,3}|zadzwoń|dzwoń|dzwonić
        |kontakt\w{0,6}|contact|cellulare|chiama\w{0,3}|bel|тел\w{0,6})\b\.?
    |\b(?:my|meine?|mon|mi|mój|moja|her|his|ihre|seine|son|su|jej|jego)\s
        (?:new\s|neue\s|nouveau\s|nuevo\s|nowy\s)?num\w{2,4}\b
    |電話(?:番号)?|携帯(?:電話)?|ケータイ|連絡先|ファックス|\btel|전화|휴대폰|电话|手机|[☎☏📞📱✆]\ufe0f?
    )(?:
    [ \t:.;,\#*()\[\]="'>|/-]|:[ \t]*\n
    |\b(?:me|moi|toi|nous|us|him|her|them|at|on|under|unter|mich|uns|an|bei|der|die|ist|is|lautet|lauten|au|le|la|les|el
        |al|es|est|na|pod|nr|no|num\w{0,4}|número|to|jest|jej|his|my|our|mein\w?|seine?|ihre?
        |mon|son|mi|su|mój|do|mnie|home|work|office|privat|dienstlich|now|just|oder|or|ou|o|lub|and|und|et|y|i)\b
    |：|[\u3040-\u309f]
    ){0,24}$""",
    re.IGNORECASE | re.VERBOSE,
)
# One of these is in all that TELLS finds: looked for first, since it is much faster.
STEMS = tuple(
    re.split(
        r"\s+",
        "tel tél fon fix phone mob cel call ring text sms what sig vib fax hand ruf erreich durchw hotl portab appel "
        "joi gsm móv mov fij llam llám kom dzwo num kont contact chiam bel тел 電話 携帯 ケータイ 連絡先 "
        "ファックス 전화 휴대폰 电话 手机 ☎ ☏ 📞 📱 ✆",
    )
)
TELLS_AFTER = re.compile(
    r"""[ ,(]{0,3}(?:mobile?|mobil|cell|handy|phone|tel|telefon|fax|home|work|privat|portable|móvil|komórka|whatsapp)\b
    |[ ,(]{0,3}(?:携帯|自宅)|(?:に|へ|まで)(?:お?電話|ご?連絡)""",
    re.IGNORECASE | re.VERBOSE,
)
# What ends where a number begins that is none.
DENIES = re.compile(
    r"""(?:isbn|issn|doi|ean|upc|sku|order|bestell\w*|auftrag\w*|invoice|rechnung\w*|commande|facture|pedido|factura
    |zamówieni\w*|faktur\w|ticket|version\w*|rfc|part|serial|serien\w*|tracking|sendung\w*|kunden\w*|customer|vertrag\w*
    |article|artikel\w*|artículo|issue|bug|pid|port|page|seite|line|zeile|commit|build|ref\w*|case|model|modell|asin
    |番号|注文|伝票|追跡|iban|bic|konto\w*|account|blz|plz|zip|chapter|fig\w*|table|tabelle|wzór|art\.)
    [- ]?(?:n[or°º]\w*|num\w*|id|番号)?[\s.:\#="'-]{0,6}$""",
    re.IGNORECASE | re.VERBOSE,
)
MONEY_OR_MEASURE = re.compile(
    r"""\s?(?:[€$£¥%°]|(?:eur|euros?|usd|dollars?|dólares|pesos|pln|zł|złot\w+|yen|people|einwohner|habitants|habitantes
    |mieszkańców|km|kg|bytes?|[kmg]i?b|mill\w*|mio|hours|seconds|sek\w*|m²|ha)\b|[円人個枚本回件])""",
    re.IGNORECASE | re.VERBOSE,
)
EXTENSION = re.compile(
    r"(?:,?\s?(?:ext\.?|extension|x|durchwahl|dw|poste|wewn\.?|内線)\s?[0-9]{1,6}|-0)(?![0-9A-Za-z])", re.IGNORECASE
)
