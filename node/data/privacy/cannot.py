"""What blanking cannot do, in words for the owner."""

CANNOT = """\
Blanking finds what has a form: addresses, numbers, keys. It does not read. It cannot find:

- names of people, nicknames, employers, schools and places, unless they are on your list or a spaCy model finds them
  (a model misses some, too, and knows one language); on your list, other forms of a name (Peter for Piotr, Annie for
  Anna, Polish and Czech cases such as Annie or Anną) are other words;
- streets and postcodes that are not on your list; dates of birth; number plates; handles such as @anna;
- what somebody says about health, love, money or others: no form tells it;
- things spelt out or hidden: "oh one seven one ...", a number over two lines, text in photos;
- passwords in plain words ("the password is our dog's name"), passwords without a word such as "password" near;
- phone numbers without +, in a country that is neither yours nor of the text's language, unless a word such as "phone"
  stands before them; short numbers; in programs and tables only numbers with + or such a word;
- ids that are bare rows of digits without a word such as "Steuer-ID" or "PESEL" near them; ids with a wrong check digit
  (a typing error is not found); ids of countries that are not in our table; passports without the word.

By language: words that tell phones, passwords and ids apart are known in English, German, French, Spanish, Polish and
Japanese, fewer in Italian, Dutch, Portuguese, Swedish, Danish, Norwegian, Czech, Russian, Chinese and Korean. In other
languages only what is recognised by itself is found: e-mail, IBAN, cards, IP addresses, keys with a known beginning,
and phone numbers with +. In Japanese and Chinese a name on your list is found inside longer words, too.

What is left may still tell who wrote: this is pseudonymisation, not anonymity. Look at the preview before you train.
"""
