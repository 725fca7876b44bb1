"""Function words: the short words that hold sentences together, by language.

What belongs here: vocabularies alone. A language's list has some of its commonest words and none that is common in
English; code is a language too, and its function words are the keywords of the common programming languages.
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ENGLISH = _words("""
    a about after all also an and any are as at be because been before being between both but by can could did
    do does each for from had has have he her here him his how i if in into is it its may me more most my no nor
    not now of on one only or other our out over own same she should so some such than that the their them then
    there these they this those through to too under up us very was we were what when where which while who whom
    why will with would you your
""")
# Of the languages that are written in Latin letters; another script tells by itself that a text is not English.
OTHERS = {
    "Afrikaans": _words("die en het nie van wat met vir sy hulle ook maar deur word kan aan ons hierdie daar"),
    "Albanian": _words("dhe të në një për me nga është që si janë kjo ky nuk më por edhe u ka"),
    "Basque": _words("eta da bat ez ere dira du zen izan baina hau egin dute zuen bere edo beste"),
    "Catalan": _words("el la els les de del que i en un una per amb és no va al són seu més com aquest dels"),
    "Croatian": _words("je i u na se da su za od koji kao iz što bi ili ali sa nije ne koja koje samo"),
    "Czech": _words("a se je v na že s z do si jsou by ale jako za ve pro jeho aby nebo byl které kteří který"),
    "Danish": _words("og er det en et til af på med den der ikke som har de var fra kan om sig blev eller også"),
    "Dutch": _words("de het een en van dat die te zijn met voor niet aan er op om ook als maar bij door naar uit"),
    "Esperanto": _words("la kaj de en estas al ke ne por li ĝi kun oni kiu sed ili tiu el pli kiel ankaŭ"),
    "Estonian": _words("ja on ei et see kui oma ta ka või mis oli kes siis nii aga selle kuid tema nende"),
    "Finnish": _words("ja on ei se että hän oli ovat mutta kun myös joka sen niin kuin sekä tai ollut mukaan"),
    "French": _words("le la les de des du et est un une que qui dans pour par sur pas ne au aux avec ce cette sont ou"),
    "German": _words("""
        der die das den dem des und von zu mit sich auf für ist im nicht ein eine einer auch es werden aus er
        hat dass sie nach wird bei um sind noch wie über oder als am zur zum durch
    """),
    "Hungarian": _words("a az és hogy nem is egy ez de meg van volt csak már mint vagy ki el azt még azonban"),
    "Indonesian": _words(
        "yang dan di untuk dengan dari ini itu tidak pada dalam adalah ke oleh atau juga akan sebagai ada"
    ),
    "Irish": _words("an na ar agus is go i le do bhí sé leis ag seo nach mar den sin raibh ach"),
    "Italian": _words("il lo la i gli le di che e un una in per con non è del della dei si da nel al sono alla più"),
    "Latin": _words("et in est non ut cum ad quod sed qui quae ex si de aut esse nec enim quam atque sunt"),
    "Malay": _words("yang dan di untuk dengan dari ini itu tidak pada dalam ialah ke oleh atau juga akan sebagai ada"),
    "Norwegian": _words("og er det en et til av på med som ikke har de var fra kan om seg ble eller også"),
    "Polish": _words("i w na z się nie do jest że to o jak ale po od za przez są dla oraz jego tym który może"),
    "Portuguese": _words("de que e o do da em um para com não uma os na se por mais dos das foi ao são como à pelo ou"),
    "Romanian": _words("și de în la a cu pe nu un o că este care din mai sau fi prin pentru au fost ce"),
    "Slovak": _words("a sa je v na že s z do si sú by ale ako za vo pre jeho aby alebo bol ktoré ktorý nie"),
    "Slovene": _words("je in na se v da za so ki pa z ne bi kot tudi od po ali ni iz še s"),
    "Somali": _words("oo ka ku waa iyo u ah in ee ay la uu soo si ayaa waxaa lagu kale"),
    "Spanish": _words("el la los las de del que y en un una por con no para se su al es como más lo pero sus está"),
    "Swahili": _words("na ya wa kwa ni katika za la hii cha kama huo au pia yake hiyo kuwa lakini sana watu"),
    "Swedish": _words("och är att det en ett i på av som för med den till inte har om de var från kan sig eller"),
    "Tagalog": _words("ang ng sa na mga at ay ni si hindi ito kung para siya may nang isang rin kanyang"),
    "Turkish": _words("ve bir bu da de için ile olarak çok daha gibi olan ne kadar ama veya en sonra değil"),
    "Vietnamese": _words("và của là có không được cho một trong với các những này người đã để khi từ"),
    "Welsh": _words("y yr yn a i o ar ac ei mae am wedi gan ond hefyd neu oedd bod eu fel"),
}
LATIN_LETTERS = {  # without single letters, which stand in tables and formulas too
    language: frozenset(word for word in words - ENGLISH if len(word) > 1 or not word.isascii())
    for language, words in OTHERS.items()
}
CODE = _words("""
    def return elif else none self int void const struct enum static char bool null nullptr func fn var impl pub endif
    ifdef ifndef typedef sizeof unsigned public private extends implements throw catch async await lambda printf println
    stdio typename foreach
""")
# Of other scripts, for names alone: what is written in them is not English, whatever the words.
OTHER_SCRIPTS = _words("""
    что это как для или при его она они был была было были если также когда может быть может под над все только чтобы
    который которая которые этого этой той так уже без через после между того тем нет есть еще ещё
    що для або від при його вона вони був була було були якщо також коли може цей яка який які але
    това като или при той беше бяха ако също може който която които през след между
    και του της των τον την τις στο στη στην στα που για από είναι ένα μια δεν ότι όπως αυτό αλλά πως
    في من على إلى عن أن هذا هذه التي الذي ذلك كان كانت كما مع بين لا أو قد وقد لم هو هي كل بعد ما
    این که است از به با برای آن را در یک می بود شده شود هم نیز تا یا
    के में है की का से को और पर हैं यह था थी थे एक भी कि इस नहीं तो ही कर लिए किया जाता होता जो ने या तक
    של את על לא הוא היא עם זה או גם אבל כי אל כל היה אשר בין יש אם
""")
PARTICLES = frozenset("的了们們这這与與于於")  # of Chinese; hardly a word has them
NEWS = _words("said says say told asked added saying according reported")  # verbs that report, and no subject
REMNANTS = _words("""
    unk pad bos eos nbsp amp quot http https www com org html htm don didn doesn isn wasn weren couldn wouldn shouldn
    haven hasn hadn aren
""")
