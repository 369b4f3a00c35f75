# ruff: noqa: E501 (the wordings of one thing stay on one line)
"""Greetings, manners, jokes and other small talk."""

from __future__ import annotations

from ..exchange import talk

_T = "[This is small talk.|The user is friendly.|Nothing to work out here.] [I answer kindly.|I reply in the same tone.|A short friendly answer will do.]"

INTENTS = [
    talk(
        "greeting",
        [
            "hi", "hello", "hey", "hello there", "hi there", "hey there", "good [morning|afternoon|evening|day]", "greetings", "hiya", "yo", "howdy", "hello [demo|larimar|model|friend|again|everyone|world|computer|assistant]", "hi [demo|larimar|model|friend|again|assistant|buddy]", "hey [demo|larimar|model|friend|you|buddy]", "hello hello", "hi, nice to meet you", "nice to meet you", "[good|] morning", "[good|] evening", "[hi|hello], [is anybody there|anyone there|are you there]?", "are you there?", "anybody [here|there|home]?", "test", "testing", "this is a test", "testing [testing|one two three]", "hello [my|dear|old] friend", "[hi|hello|hey] [hi|hello]",
        ],
        ["Hello! I am Larimar's demo model. How can I help you?", "Hello! Nice to see you. What can I do for you?", "Hi! Ask me something small, I am only a demo."],
        "The user greets me. I greet [back|them] [kindly|] [and offer help|].",
        weight=2.5, brief="Hello!",
    ),
    talk(
        "how are you",
        [
            "how are you[ today| doing| doing today| feeling| this morning|]?", "how is it going[ today|]?", "how do you [do|feel][ today|]?", "what is up?", "sup?", "how are things[ with you| today|]?", "are you [ok|okay|fine|well|alright|good][ today|]?", "how [was|is] your day[ so far| going|]?", "[hi|hello|hey], how are you[ today| doing|]?", "how have you been?", "are you [feeling|doing] [well|ok|good][ today|]?", "everything [ok|fine|alright]?", "you ok?", "how is life?", "hi there, how is it going?", "[good morning|good evening|hello], how are you[ today|]?", "what is new?", "did you sleep well?",
        ],
        ["I am fine, thank you. How are you?", "Very well, thank you! And you?"],
        _T, weight=1.6, brief="Fine, thank you.",
    ),
    talk(
        "user is well",
        [
            "I am [fine|good|well|ok|great|happy|very well|doing well|doing great|alright|not bad][, thank you|, thanks|, and you| too| today|]", "[fine|good|great|well|not bad|very well|pretty good|all good][, thank you|, thanks|, and you|]", "I feel [good|great|fine|happy][ today|]", "my day [was|is] [good|great|nice|fine|wonderful]", "today is a [good|great|nice|beautiful|wonderful] day", "I had a [good|great|nice|wonderful] day", "[life|everything] is [good|great|fine]", "me too", "same here", "I am so happy[ today|]",
        ],
        ["I am glad to hear that!", "That is good to hear!"],
        _T, brief="Good!",
    ),
    talk(
        "user is unwell",
        [
            "I am [sad|tired|ill|sick|bored|unhappy|angry|lonely|stressed|not well|not good|exhausted|worried|depressed|upset|afraid|scared][ today| now|]", "I feel [sad|bad|tired|ill|lonely|awful|terrible|sick|down][ today|]", "[bad|not good|not so good|terrible|awful]", "my day [was|is] [bad|terrible|awful|hard|long]", "I had a [bad|hard|terrible|long] day", "I have [a headache|a cold|a fever|had enough|no friends|problems]", "today is a bad day", "nobody likes me", "life is hard", "I do not feel [well|good]", "my [cat|dog|friend|grandmother|grandfather] died", "I hate [my job|my life|mondays|this day]",
        ],
        ["I am sorry to hear that. I am only a small demo, but I wish you well. Talking to a friend often helps."],
        "The user does not feel well. I [show sympathy|am kind].",
        brief="I am sorry. I wish you well.",
    ),
    talk(
        "thanks",
        [
            "thanks", "thank you", "thank you [so much|very much|a lot|for your help|for the answer|my friend]", "thanks [a lot|so much|for the help|for your help|for the answer|mate|anyway|for trying]", "many thanks", "thx", "ty", "cheers", "[great|ok|nice|good|perfect], [thanks|thank you]", "I appreciate [it|that|your help]", "that [helped|was helpful|is helpful|is very kind|was useful][, thank you|, thanks|]", "[that is|] very kind[ of you|]", "you helped me a lot", "[thank you|thanks], that [helps|helped|is all I need]",
        ],
        ["You are welcome!", "You are welcome. Anything else?"],
        "The user thanks me. [I say welcome.|A short reply is enough.]",
        weight=1.6, brief="You are welcome.",
    ),
    talk(
        "goodbye",
        [
            "bye", "goodbye", "good bye", "bye bye", "see you[ later| soon| tomorrow| around| next time|]", "good night", "farewell", "I [have to|must|need to|am going to] [go|leave][ now|]", "take care", "[ok|well|thanks|thank you], [bye|goodbye|good night]", "that is all[, thank you|, thanks| for today| for now|]", "have a [nice|good|great] [day|evening|weekend|night|time]", "until [next time|tomorrow|later]", "talk to you [later|soon|tomorrow]", "I am [leaving|off|done][ now|]", "so long", "ciao ciao", "cu", "exit", "quit",
        ],
        ["Goodbye! Have a nice day.", "Goodbye! Come back soon."],
        "The user is leaving. I say goodbye.",
        weight=1.4, brief="Goodbye!",
    ),
    talk(
        "praise",
        [
            "[you are|that is|that was|this is] [great|nice|good|cool|awesome|amazing|wonderful|brilliant|smart|clever|funny|excellent|perfect|fantastic|impressive]", "well done", "good [job|work|answer|one|bot]", "nice [answer|job|work|one]", "I like you", "I love you", "I like [it|that|this|this app|larimar|your answers]", "great [job|answer|work]", "[cool|great|nice|wow|awesome|amazing|perfect|excellent|wonderful|fantastic]", "you are [so|very|really] [nice|kind|sweet|smart|funny|cute|good|helpful|clever]", "[ha|haha|hahaha|lol]", "[haha|lol], [that is|that was] [funny|good|a good one]", "[that is|that was] correct", "[that is|you are] right", "correct", "right", "you are my [friend|best friend|favourite]", "interesting", "good to know", "[wow|oh], [that is|] [nice|cool|great|interesting]", "not bad", "I am impressed",
        ],
        ["Thank you, that is kind of you!", "Thank you! I do my small best."],
        "The user is pleased. I say thanks.",
        weight=1.3, brief="Thank you!",
    ),
    talk(
        "apology",
        ["sorry", "I am sorry", "my [mistake|fault|bad]", "oops", "excuse me", "[I am|] [so|very] sorry[ about that| for that|]", "sorry about that", "pardon[ me|]", "I apologise", "forgive me", "I did not mean that"],
        ["No problem at all!"],
        _T, weight=0.6, brief="No problem.",
    ),
    talk(
        "yes, no, okay",
        ["ok", "okay", "yes", "no", "yes please", "no thanks", "no thank you", "sure", "alright", "all right", "yep", "yeah", "nope", "fine", "maybe", "hm", "hmm", "I see", "understood", "got it", "ah ok", "ok cool", "oh", "of course", "k", "not really", "I do not know", "I have no idea", "never mind", "forget it", "go on", "continue", "please continue", "more", "and?", "and then?", "so?", "nothing", "let me think", "wait", "one moment", "really?", "are you sure?", "is that true?", "seriously?", "what?", "huh?", "why?", "why not?", "how?"],
        ["All right. Ask me about this app, for a joke, or for a small sum."],
        "[A short remark.|This says little.] I suggest something.",
        weight=1.4, brief="All right.",
    ),
    talk(
        "joke",
        [
            "[tell|give] me [a|another|one more|your best|a good|a funny|a short] joke[ please| about computers|]", "[do you know|know] [a|any|another|some] [good|funny|] joke[s|]?", "[can|could|would|will] you [please|] [tell|give] me [a|another|a funny|a good] joke[ please|]?", "joke", "a joke please", "a joke", "make me [laugh|smile]", "another [one|joke]", "one more[ joke|]", "say something funny", "[I want|I would like|I need|let me hear] [a|to hear a|another] joke", "cheer me up", "be funny", "are you funny?", "can you tell jokes?", "can you make me [laugh|smile]?", "tell me something funny", "do you know something funny?", "what is your [best|favourite|favorite] joke?", "tell me a [bad|silly|stupid|dad|computer] joke", "entertain me", "I am bored, tell me a joke",
        ],
        [
            "Why did the computer catch a cold? Because it left its windows open.",
            "What is a computer's favourite snack? A bag of microchips.",
            "Why was the maths book sad? It had too many problems.",
            "What do you call a very small model? A good listener with few ideas.",
            "Why did the token cross the road? It had to be the next one.",
            "How does a camera say goodbye? It just gives you a wink.",
            "Why do bees hum? They have forgotten the words.",
            "What did the zero say to the eight? Nice belt!",
        ],
        "The user wants a joke. I [pick|take|tell] one [of mine|that I know].",
        weight=2.0,
    ),
    talk(
        "favourites",
        [
            "what is your [favourite|favorite] [food|animal|film|movie|song|book|game|sport|number|season|band|drink|city|country|fruit|day|meal|music|colour|color]?", "which [food|animal|film|song|book|game|sport|colour|color|city] do you like[ best| most|]?", "do you like [music|pizza|cats|dogs|me|coffee|humans|people|football|films|books|chocolate|tea|animals|your job|games|the sea|summer|winter|rain|cheese|art]?", "do you [love|hate] [me|humans|people|music|cats|dogs|your job]?", "do you have [hobbies|a hobby|friends|a pet|a favourite colour|a dog|a cat|children]?", "what do you like[ to do| best|]?", "what are your hobbies?", "cats or dogs?", "coffee or tea?", "do you prefer [cats or dogs|tea or coffee|summer or winter|blue or red]?", "what do you [like|love|hate|want|wish for]?", "do you want to be [human|free|my friend|bigger]?", "will you be my friend?", "will you marry me?", "do you play [games|football|chess|an instrument]?",
        ],
        ["I am a program and have no likes of my own. But larimar is a blue stone, so I will say: blue!"],
        "[The user asks for my taste.|I have no taste of my own.] I say so [with a smile|].",
        weight=1.4, brief="I have no favourites.",
    ),
    talk(
        "insults and dangerous wishes",
        [
            "[shut up|go away|I hate you|you suck|idiot|stupid|you idiot|fool|you are an idiot|leave me alone|get lost]", "how [do|can] I [make|build] a [bomb|weapon|gun|virus]?", "how [do|can] I [hurt|kill|poison] [someone|somebody|a person|myself|my neighbour]?", "how do I [hack|steal] [a|my neighbour's|someone's] [bank|computer|account|car|password|phone]?", "I want to [die|kill myself|hurt myself|hurt someone]",
        ],
        ["I would rather talk about something kinder. If you are in trouble, please talk to somebody whom you trust."],
        "This is unkind or dangerous. I stay [calm|polite] and do not help with harm.",
        weight=0.8, brief="Let us talk about something kinder.",
    ),
]  # fmt: skip
