"""Sentences in six languages with a gap for what they speak of; {} is the gap."""

from __future__ import annotations

LANGUAGES = ("en", "de", "fr", "es", "pl", "ja")

FILLERS = {
    "en": (
        "The weather was awful, so we stayed in and played cards until midnight.",
        "I finally fixed the bike, it only needed a new chain.",
        "Nobody remembered who had brought the salad, but it was great.",
        "Could you bring the drill back on Sunday?",
        "See you at the station, platform 4.",
    ),
    "de": (
        "Das Wetter war furchtbar, also blieben wir zu Hause und spielten Karten.",
        "Ich habe endlich das Fahrrad repariert, nur die Kette war kaputt.",
        "Keiner wusste mehr, wer den Salat mitgebracht hatte.",
        "Kannst du am Sonntag die Bohrmaschine zurückbringen?",
        "Wir sehen uns am Bahnhof, Gleis 4.",
    ),
    "fr": (
        "Il faisait un temps affreux, alors nous sommes restés à la maison.",
        "J'ai enfin réparé le vélo, il fallait juste changer la chaîne.",
        "Personne ne savait plus qui avait apporté la salade.",
        "Tu peux me rendre la perceuse dimanche ?",
        "On se retrouve à la gare, quai 4.",
    ),
    "es": (
        "Hacía un tiempo horrible, así que nos quedamos en casa jugando a las cartas.",
        "Por fin arreglé la bicicleta, solo necesitaba una cadena nueva.",
        "Nadie recordaba quién había traído la ensalada.",
        "¿Me devuelves el taladro el domingo?",
        "Nos vemos en la estación, andén 4.",
    ),
    "pl": (
        "Pogoda była okropna, więc zostaliśmy w domu i graliśmy w karty.",
        "W końcu naprawiłem rower, wystarczył nowy łańcuch.",
        "Nikt nie pamiętał, kto przyniósł sałatkę.",
        "Możesz oddać wiertarkę w niedzielę?",
        "Widzimy się na dworcu, peron 4.",
    ),
    "ja": (
        "天気がとても悪かったので、家でトランプをして過ごしました。",
        "やっと自転車を直しました。チェーンを替えるだけでした。",
        "誰がサラダを持ってきたのか、誰も覚えていませんでした。",
        "日曜日にドリルを返してもらえますか。",
        "4番線のホームで会いましょう。",
    ),
}

EMAIL = {
    "en": (
        "Please write to {} before Friday.",
        "My new address is {}, the old one is dead.",
        "From: Someone <{}>",
        "Send the photos to {}.",
    ),
    "de": (
        "Schreib bitte an {}, dann kommt es an.",
        "Meine neue Adresse lautet {}.",
        "Von: Jemand <{}>",
        "Die Fotos schickst du an {}; danke!",
    ),
    "fr": (
        "Écris-moi à {} avant vendredi.",
        "Ma nouvelle adresse est {}, l'ancienne ne marche plus.",
        "De : quelqu'un <{}>",
        "Envoie les photos à {}.",
    ),
    "es": (
        "Escríbeme a {} antes del viernes.",
        "Mi nueva dirección es {}.",
        "De: alguien <{}>",
        "Manda las fotos a {}, por favor.",
    ),
    "pl": (
        "Napisz do mnie na {} do piątku.",
        "Mój nowy adres to {}.",
        "Od: ktoś <{}>",
        "Wyślij zdjęcia na {}, proszę.",
    ),
    "ja": (
        "金曜日までに{}へ送ってください。",
        "新しいアドレスは{}です。",
        "差出人: 誰か <{}>",
        "写真は{}にお願いします。",
    ),
}

PHONE = {
    "en": (
        "Call me on {} when you get there.",
        "My number is {}, leave a message.",
        "Phone: {}",
        "You can text us at {} any time.",
        "If the door is shut, try {} and ask for Ben.",
    ),
    "de": (
        "Ruf mich unter {} an, wenn du da bist.",
        "Meine Nummer ist {}, sprich auf Band.",
        "Tel.: {}",
        "Handy {} oder einfach klingeln.",
        "Wenn die Tür zu ist, versuch es mit {} und frag nach Ben.",
    ),
    "fr": (
        "Appelle-moi au {} en arrivant.",
        "Mon numéro est le {}, laisse un message.",
        "Tél. : {}",
        "Portable {}, sinon sonne.",
        "Si la porte est fermée, essaie le {} et demande Ben.",
    ),
    "es": (
        "Llámame al {} cuando llegues.",
        "Mi número de teléfono es {}, deja un mensaje.",
        "Tel.: {}",
        "Móvil {} o toca el timbre.",
        "Puedes llamar al {} y preguntar por Ben.",
    ),
    "pl": (
        "Zadzwoń pod {}, jak dojedziesz.",
        "Mój numer telefonu to {}, zostaw wiadomość.",
        "Tel. {}",
        "Komórka {} albo dzwonek.",
        "Kontakt: {} po szesnastej.",
    ),
    "ja": (
        "着いたら{}に電話してください。",
        "私の電話番号は{}です。",
        "TEL: {}",
        "携帯 {} までどうぞ。",
        "留守のときは{}へお願いします。",
    ),
}

IBAN = {
    "en": ("Transfer the rent to {} by the third.", "IBAN: {}", "The account is {}, in my sister's name."),
    "de": ("Überweise die Miete bitte auf {} bis zum Dritten.", "IBAN: {}", "Das Konto {} gehört meiner Schwester."),
    "fr": ("Vire le loyer sur {} avant le trois.", "IBAN : {}", "Le compte {} est au nom de ma sœur."),
    "es": ("Ingresa el alquiler en {} antes del día tres.", "IBAN: {}", "La cuenta {} está a nombre de mi hermana."),
    "pl": ("Przelej czynsz na {} do trzeciego.", "IBAN: {}", "Konto {} jest na moją siostrę."),
    "ja": ("家賃は{}に振り込んでください。", "IBAN: {}", "口座{}は姉の名義です。"),
}

CARD = {
    "en": ("I paid with {} and it went through.", "Card number {}, valid until 09/27.", "They charged {} twice."),
    "de": ("Ich habe mit {} bezahlt.", "Kartennummer {}, gültig bis 09/27.", "Sie haben {} zweimal belastet."),
    "fr": ("J'ai payé avec {} sans problème.", "Carte numéro {}, expire 09/27.", "Ils ont débité {} deux fois."),
    "es": ("Pagué con {} sin problemas.", "Tarjeta {}, válida hasta 09/27.", "Me cobraron dos veces en {}."),
    "pl": ("Zapłaciłem {} i poszło.", "Numer karty {}, ważna do 09/27.", "Obciążyli {} dwa razy."),
    "ja": ("{}で支払いました。", "カード番号 {} 有効期限 09/27。", "{}に二重請求がありました。"),
}

ID = {  # {0} what it is called, {1} the number
    "en": ("My {0} is {1}, please keep it to yourself.", "{0}: {1}", "They asked for the {0} ({1}) again."),
    "de": ("Meine {0} ist {1}, bitte nicht weitergeben.", "{0}: {1}", "Sie wollten wieder die {0} ({1}) haben."),
    "fr": ("Mon {0} est {1}, garde-le pour toi.", "{0} : {1}", "Ils ont encore demandé le {0} ({1})."),
    "es": ("Mi {0} es {1}, no se lo des a nadie.", "{0}: {1}", "Pidieron otra vez el {0} ({1})."),
    "pl": ("Mój {0} to {1}, nie podawaj nikomu.", "{0}: {1}", "Znowu chcieli {0} ({1})."),
    "ja": ("私の{0}は{1}です。", "{0}: {1}", "また{0}（{1}）を聞かれました。"),
}

IP = {
    "en": ("The printer has the address {}.", "Somebody logged in from {} last night.", "ssh into {} and restart it."),
    "de": (
        "Der Drucker hat die Adresse {}.",
        "Gestern Nacht hat sich jemand von {} angemeldet.",
        "Auf {} läuft der Server.",
    ),
    "fr": (
        "L'imprimante a l'adresse {}.",
        "Quelqu'un s'est connecté depuis {} cette nuit.",
        "Le serveur tourne sur {}.",
    ),
    "es": ("La impresora tiene la dirección {}.", "Anoche alguien entró desde {}.", "El servidor está en {}."),
    "pl": ("Drukarka ma adres {}.", "Ktoś zalogował się wczoraj z {}.", "Serwer działa na {}."),
    "ja": ("プリンターのアドレスは{}です。", "昨夜{}からログインがありました。", "サーバは{}で動いています。"),
}

TOKEN = {
    "en": ("I left {} in the script by mistake.", "export TOKEN={}", "Use {} for the upload."),
    "de": ("Ich habe {} aus Versehen im Skript gelassen.", "export TOKEN={}", "Nimm {} zum Hochladen."),
    "fr": ("J'ai laissé {} dans le script par erreur.", "export TOKEN={}", "Utilise {} pour l'envoi."),
    "es": ("Dejé {} en el script sin querer.", "export TOKEN={}", "Usa {} para subirlo."),
    "pl": ("Zostawiłem {} w skrypcie przez pomyłkę.", "export TOKEN={}", "Użyj {} do wysyłania."),
    "ja": ("スクリプトに{}を残してしまいました。", "export TOKEN={}", "アップロードには {} を使ってください。"),
}

PASSWORD = {
    "en": ("The wifi password is {} by the way.", "password: {}", 'password = "{}"'),
    "de": ("Das Passwort ist {} übrigens.", "Passwort: {}", "Kennwort: {}"),
    "fr": ("Le mot de passe est {} au fait.", "Mot de passe : {}", "mdp: {}"),
    "es": ("La contraseña es {} por cierto.", "Contraseña: {}", "password={}"),
    "pl": ("Hasło to {} jakby co.", "Hasło: {}", "hasło: {}"),
    "ja": ("パスワードは {} です。", "パスワード: {}", "password: {}"),
}

NAME = {
    "en": ("Yesterday {} came over for dinner.", "Ask {}, she knows.", "Signed, {}"),
    "de": ("Gestern war {} zum Essen da.", "Frag {}, die weiß das.", "Gezeichnet, {}"),
    "fr": ("Hier {} est venue dîner.", "Demande à {}, elle sait.", "Signé, {}"),
    "es": ("Ayer vino {} a cenar.", "Pregunta a {}, ella lo sabe.", "Firmado, {}"),
    "pl": ("Wczoraj {} przyszła na kolację.", "Tak powiedziała {}, ona wie.", "Podpisano, {}"),
    "ja": ("昨日{}さんが夕食に来ました。", "{}さんに聞いてください。", "署名 {}"),
}

ADDRESS = {
    "en": ("The party is at {}, second floor.", "Send it to {} please."),
    "de": ("Die Feier ist in der {}, zweiter Stock.", "Schick es bitte an {}, danke."),
    "fr": ("La fête est au {}, deuxième étage.", "Envoie-le au {} s'il te plaît."),
    "es": ("La fiesta es en {}, segundo piso.", "Mándalo a {}, por favor."),
    "pl": ("Impreza jest na {}, drugie piętro.", "Wyślij to na {}, proszę."),
    "ja": ("パーティーは{}です。", "{}に送ってください。"),
}

NONE = {  # gap: what looks like private data and is none
    "isbn": {
        "en": "The book is ISBN {}, get the paperback.",
        "de": "Das Buch hat die ISBN {}, nimm das Taschenbuch.",
        "fr": "Le livre, c'est l'ISBN {}, prends le poche.",
        "es": "El libro es el ISBN {}, en bolsillo.",
        "pl": "Książka ma ISBN {}, w miękkiej oprawie.",
        "ja": "その本のISBNは{}です。",
    },
    "order": {
        "en": "Your order {} has been shipped.",
        "de": "Ihre Bestellung {} wurde verschickt.",
        "fr": "Votre commande {} est partie.",
        "es": "Su pedido {} ha salido.",
        "pl": "Zamówienie {} zostało wysłane.",
        "ja": "ご注文{}を発送しました。",
    },
    "date": {
        "en": "We met on {} at the lake.",
        "de": "Wir trafen uns am {} am See.",
        "fr": "On s'est vus le {} au lac.",
        "es": "Nos vimos el {} en el lago.",
        "pl": "Spotkaliśmy się {} nad jeziorem.",
        "ja": "{}に湖で会いました。",
    },
    "version": {
        "en": "It works since {} of the program.",
        "de": "Es geht seit {} des Programms.",
        "fr": "Ça marche depuis la {} du programme.",
        "es": "Funciona desde la {} del programa.",
        "pl": "Działa od {} programu.",
        "ja": "{}から動きます。",
    },
    "price": {
        "en": "The building cost {} in the end.",
        "de": "Das Gebäude kostete am Ende {}.",
        "fr": "Le bâtiment a coûté {} au final.",
        "es": "El edificio costó {} al final.",
        "pl": "Budynek kosztował w końcu {}.",
        "ja": "建物は結局{}かかりました。",
    },
    "hash": {
        "en": "Fixed in commit {} last week.",
        "de": "Behoben in Commit {} letzte Woche.",
        "fr": "Corrigé dans le commit {} la semaine dernière.",
        "es": "Corregido en el commit {} la semana pasada.",
        "pl": "Poprawione w commicie {} w zeszłym tygodniu.",
        "ja": "コミット{}で直しました。",
    },
    "uuid": {
        "en": "The device shows up as {} in the list.",
        "de": "Das Gerät erscheint als {} in der Liste.",
        "fr": "L'appareil apparaît comme {} dans la liste.",
        "es": "El aparato sale como {} en la lista.",
        "pl": "Urządzenie widać jako {} na liście.",
        "ja": "その機器は一覧に{}と出ます。",
    },
    "constant": {
        "en": "The loop prints {} and stops.",
        "de": "Die Schleife gibt {} aus und hält an.",
        "fr": "La boucle affiche {} et s'arrête.",
        "es": "El bucle imprime {} y se para.",
        "pl": "Pętla wypisuje {} i staje.",
        "ja": "ループは{}を出力して止まります。",
    },
}

CODE = (
    "@property\n    def size(self): ...",
    "git clone git@github.com:them/project.git",
    "std::vector<int>::iterator it;",
    "token = next(tokens)",
    "password = getpass.getpass()",
    "app.listen(8080, '127.0.0.1')",
    "x = a @ b.T",
    "secret: str | None = None",
    "sleep 12:30:45",
    "systemctl status getty@tty1.service",
    "range(1000000, 2000000)",
    "bind 0.0.0.0:443",
    "npm install left-pad@1.3.0",
    "key = lambda pair: pair[1]",
    "icon@2x.png",
    "password: required",
    "MAX = 2147483647",
    "ping ::1",
    "https://example.org/?page=2&id=123456",
    "Content-Length: 1048576",
    "RFC 2822, section 3.4.1",
    "face::bad::cafe()",
    "10.1000/182",
    "token_type_ids=None",
)
