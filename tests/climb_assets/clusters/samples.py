"""Texts as a real corpus has them: prose of several languages, code, and junk.

The prose is the Universal Declaration of Human Rights, articles 1 to 4, in its official translations.
"""

PROSE = {
    "English": """
All human beings are born free and equal in dignity and rights. They are endowed with reason
and conscience and should act towards one another in a spirit of brotherhood. Everyone is
entitled to all the rights and freedoms set forth in this Declaration, without distinction of
any kind, such as race, colour, sex, language, religion, political or other opinion, national
or social origin, property, birth or other status. Furthermore, no distinction shall be made on
the basis of the political, jurisdictional or international status of the country or territory
to which a person belongs. Everyone has the right to life, liberty and security of person. No
one shall be held in slavery or servitude; slavery and the slave trade shall be prohibited in
all their forms.
""",
    "German": """
Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und
Gewissen begabt und sollen einander im Geiste der Brüderlichkeit begegnen. Jeder hat Anspruch
auf die in dieser Erklärung verkündeten Rechte und Freiheiten ohne irgendeinen Unterschied,
etwa nach Rasse, Hautfarbe, Geschlecht, Sprache, Religion, politischer oder sonstiger
Überzeugung, nationaler oder sozialer Herkunft, Vermögen, Geburt oder sonstigem Stand. Des
weiteren darf kein Unterschied gemacht werden auf Grund der politischen, rechtlichen oder
internationalen Stellung des Landes oder Gebiets, dem eine Person angehört. Jeder hat das Recht
auf Leben, Freiheit und Sicherheit der Person. Niemand darf in Sklaverei oder Leibeigenschaft
gehalten werden; Sklaverei und Sklavenhandel in allen ihren Formen sind verboten.
""",
    "French": """
Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de
raison et de conscience et doivent agir les uns envers les autres dans un esprit de fraternité.
Chacun peut se prévaloir de tous les droits et de toutes les libertés proclamés dans la
présente Déclaration, sans distinction aucune, notamment de race, de couleur, de sexe, de
langue, de religion, d'opinion politique ou de toute autre opinion, d'origine nationale ou
sociale, de fortune, de naissance ou de toute autre situation. De plus, il ne sera fait aucune
distinction fondée sur le statut politique, juridique ou international du pays ou du territoire
dont une personne est ressortissante. Tout individu a droit à la vie, à la liberté et à la
sûreté de sa personne. Nul ne sera tenu en esclavage ni en servitude; l'esclavage et la traite
des esclaves sont interdits sous toutes leurs formes.
""",
    "Russian": """
Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены разумом и
совестью и должны поступать в отношении друг друга в духе братства. Каждый человек должен
обладать всеми правами и всеми свободами, провозглашенными настоящей Декларацией, без какого бы
то ни было различия, как-то в отношении расы, цвета кожи, пола, языка, религии, политических
или иных убеждений, национального или социального происхождения, имущественного, сословного или
иного положения. Кроме того, не должно проводиться никакого различия на основе политического,
правового или международного статуса страны или территории, к которой человек принадлежит.
Каждый человек имеет право на жизнь, на свободу и на личную неприкосновенность. Никто не должен
содержаться в рабстве или в подневольном состоянии; рабство и работорговля запрещаются во всех
их видах.
""",
    "Arabic": """
يولد جميع الناس أحراراً متساوين في الكرامة والحقوق، وقد وهبوا عقلاً وضميراً وعليهم أن يعامل
بعضهم بعضاً بروح الإخاء. لكل إنسان حق التمتع بكافة الحقوق والحريات الواردة في هذا الإعلان، دون
أي تمييز، كالتمييز بسبب العنصر أو اللون أو الجنس أو اللغة أو الدين أو الرأي السياسي أو أي رأي
آخر، أو الأصل الوطني أو الاجتماعي أو الثروة أو الميلاد أو أي وضع آخر، دون أية تفرقة بين الرجال
والنساء. وفضلاً عما تقدم فلن يكون هناك أي تمييز أساسه الوضع السياسي أو القانوني أو الدولي للبلد
أو البقعة التي ينتمي إليها الفرد. لكل فرد الحق في الحياة والحرية وسلامة شخصه. لا يجوز استرقاق
أو استعباد أي شخص، ويحظر الاسترقاق وتجارة الرقيق بكافة أوضاعهما.
""",
    "Japanese": """
すべての人間は、生れながらにして自由であり、かつ、尊厳と権利とについて平等である。人間は、理性と良心とを授けられ
ており、互いに同胞の精神をもって行動しなければならない。すべて人は、人種、皮膚の色、性、言語、宗教、政治上その他
の意見、国民的若しくは社会的出身、財産、門地その他の地位又はこれに類するいかなる事由による差別をも受けることなく
、この宣言に掲げるすべての権利と自由とを享有することができる。さらに、個人の属する国又は地域が独立国であると、信
託統治地域であると、非自治地域であると、又は他のなんらかの主権制限の下にあるとを問わず、その国又は地域の政治上、
管轄上又は国際上の地位に基づくいかなる差別もしてはならない。すべて人は、生命、自由及び身体の安全に対する権利を有
する。何人も、奴隷にされ、又は苦役に服することはない。
""",
    "Hindi": """
सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है। उन्हें
बुद्धि और अन्तरात्मा की देन प्राप्त है और परस्पर उन्हें भाईचारे के भाव से बर्ताव करना चाहिए।
सभी को इस घोषणा में सन्निहित सभी अधिकारों और आज़ादियों को प्राप्त करने का हक़ है और इस मामले
में जाति, वर्ण, लिंग, भाषा, धर्म, राजनीति या अन्य विचार-प्रणाली, किसी देश या समाज विशेष में
जन्म, सम्पत्ति या किसी प्रकार की अन्य मर्यादा आदि के कारण भेदभाव का विचार न किया जाएगा। इसके
अतिरिक्त, चाहे कोई देश या प्रदेश स्वतन्त्र हो, संरक्षित हो, या स्त्रशासन रहित हो, उस देश या
प्रदेश की राजनैतिक स्थिति के आधार पर वहां के निवासियों के प्रति कोई फ़र्क़ न रखा जाएगा।
प्रत्येक व्यक्ति को जीवन, स्वाधीनता और वैयक्तिक सुरक्षा का अधिकार है। कोई भी ग़ुलामी या दासता
की हालत में न रखा जाएगा।
""",
    "Thai": """
มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ ต่างมีเหตุผลและมโนธรรม
และควรปฏิบัติต่อกันด้วยเจตนารมณ์แห่งภราดรภาพ
ทุกคนย่อมมีสิทธิและอิสรภาพทั้งปวงตามที่กำหนดไว้ในปฏิญญานี้ โดยปราศจากความแตกต่างไม่ว่าชนิดใด ๆ
ดังเช่น เชื้อชาติ ผิว เพศ ภาษา ศาสนา ความคิดเห็นทางการเมืองหรือทางอื่น เผ่าพันธุ์แห่งชาติ
หรือสังคม ทรัพย์สิน กำเนิด หรือสถานะอื่น ๆ อนึ่งจะไม่มีความแตกต่างใด ๆ
ตามมูลฐานแห่งสถานะทางการเมือง ทางการศาล
หรือทางการระหว่างประเทศของประเทศหรือดินแดนที่บุคคลสังกัด คนทุกคนมีสิทธิในการดำรงชีวิต เสรีภาพ
และความมั่นคงแห่งตัวตน บุคคลใด ๆ จะถูกยึดเป็นทาส หรือต้องภาระจำยอมไม่ได้
""",
    "Swahili": """
Watu wote wamezaliwa huru, hadhi na haki zao ni sawa. Wote wamejaliwa akili na dhamiri, hivyo
yapasa watendeane kindugu. Kila mtu anastahili kuwa na haki zote na uhuru wote ambao umeelezwa
katika taarifa hii bila ubaguzi wo wote. Yaani bila kubaguana kwa rangi, taifa, wanaume kwa
wanawake, dini, siasa, fikara, asili ya taifa la mtu, miliki, kwa kuzaliwa au kwa hali nyingine
yo yote. Juu ya hayo usifanye ubaguzi kwa kutegemea siasa, utawala au kwa kutegemea uhusiano wa
nchi fulani na mataifa mengine au nchi ya asili ya mtu, haidhuru nchi hiyo iwe inayojitawala,
ya udhamini, isiyojitawala au inayotawaliwa na nchi nyingine kwa hali ya namna yo yote. Kila
mtu ana haki ya kuishi, haki ya kuwa huru na haki ya kulindwa nafsi yake.
""",
}
CODE = """
static int heap_push(struct heap *heap, const void *item, int (*compare)(const void *, const void *))
{
    if (heap->size == heap->capacity) {
        size_t capacity = heap->capacity ? 2 * heap->capacity : 16;
        void **items = realloc(heap->items, capacity * sizeof(*items));
        if (items == NULL)
            return -ENOMEM;
        heap->items = items;
        heap->capacity = capacity;
    }
    size_t child = heap->size++;
    while (child > 0) {
        size_t parent = (child - 1) / 2;
        if (compare(heap->items[parent], item) <= 0)
            break;
        heap->items[child] = heap->items[parent];
        child = parent;
    }
    heap->items[child] = (void *)item;
    return 0;
}

static void *heap_pop(struct heap *heap, int (*compare)(const void *, const void *))
{
    void *top = heap->items[0], *last = heap->items[--heap->size];
    for (size_t parent = 0, child = 1; child < heap->size; parent = child, child = 2 * parent + 1) {
        if (child + 1 < heap->size && compare(heap->items[child + 1], heap->items[child]) < 0)
            child++;
        heap->items[parent] = heap->items[child];
    }
    return top;
}
"""
JUNK = {
    "table": "\n".join(
        f"| {row:4d} | {row * 7 % 97:3d}.{row % 10} % | -- | ### | {row % 5}/{row % 9} | +++ |" for row in range(60)
    ),
    "keywords": "cheap flights hotel booking paris rome madrid luxury rental car insurance quote casino poker " * 12,
    "menu": "Home\nLogin\nRegister\nContact\nPrivacy\nCookies\nHome\nLogin\nRegister\nContact\n" * 10,
    "Russian menu": "Главная\nВойти\nРегистрация\nКонтакты\nГлавная\nВойти\nРегистрация\nКонтакты\n" * 12,
}
