# ruff: noqa: E501 (the wordings of one thing stay on one line)
"""How to use the app."""

from __future__ import annotations

from .app_wordings import help_on

_THOUGHT = "[The user asks about the app.|This is a question about using Larimar.|I know this part of the app.] [I explain it.|I answer shortly.|I say how it works.]"

INTENTS = [
    help_on(
        "send a message",
        [
            "how [do|can] I send [a|my|the] [message|question|text]?", "which key sends[ the message| my message|]?", "how do I [talk|write|speak] to you?", "what does [the|] enter[ key|] do?", "how do I ask [a question|something|you something]?", "where do I type?", "where [can|do|should] I [type|write|enter] [my|a|the] [question|message|text]?",
            "how to send[ a message|]?", "how does the chat work?", "how do I [use|start] the chat?", "what is the chat[ pane|] for?", "how do I start a [chat|conversation]?", "which button [do I press to send|sends the message|sends]?", "[do|must] I press enter?", "how can I submit my [text|message|question]?",
        ],
        ["Type into the box at the bottom and press Enter to send it. Shift+Enter starts a new line."],
        _THOUGHT, weight=1.2, brief="Press Enter.",
    ),
    help_on(
        "new line",
        [
            "how [do|can] I [make|add|start|insert|get|type|write] a [new line|line break|newline|second line|new paragraph]?", "what does shift[+| and | plus ]enter do?", "how do I [write|type|enter] [several|more|two|multiple] lines?", "how to [break a line|make a new line|add a line break|get a new line]?", "which key[s|] [makes|make|starts|gives] a new line?",
            "how do I break [a|the] line?", "line break?", "new line?", "can I write [several|more than one|multiple] lines[ in a message|]?", "[I want|I need] a [new line|line break]",
        ],
        ["Press Shift+Enter for a new line. Enter alone sends the message."],
        _THOUGHT, brief="Press Shift+Enter.",
    ),
    help_on(
        "stop an answer",
        [
            "how [do|can|could] I [stop|cancel|interrupt|halt|end|abort] [you|the answer|an answer|your answer|a reply|the reply|it|this|generation]?", "[can|could] I [stop|interrupt|cancel] you[ while you are talking|]?", "what does [the|] [escape|esc][ key|] do?", "how to [stop|cancel|interrupt][ you| an answer| the answer|]?", "which key [stops|cancels] [you|the answer|it]?",
            "how do I make you stop[ talking|]?", "where is the stop button?", "what does the stop button do?", "your answer is too long, how do I stop [it|you]?", "how do I [shut you up|make you shut up]?", "you talk too [much|long], how do I stop you?", "[is there|do you have] a stop button?",
        ],
        ["Press Esc or the Stop button, and I stop at once. What I have said so far stays in the chat."],
        _THOUGHT, weight=1.2, brief="Press Esc.",
    ),
    help_on(
        "webcam pane",
        [
            "how [do|can] I [use|start|open|turn on|switch on|show] [the|my] [webcam|camera|webcam pane|camera pane]?", "what [is|does] the [webcam|camera] [pane|view|window] [for|do]?", "where is the [webcam|camera|webcam pane|camera pane]?", "how does the [webcam|camera|webcam pane] work?", "[can|could] I use [my|the|a] [webcam|camera]?", "what can I do with the [webcam|camera]?",
            "[can|does] [larimar|this app|the app] [use|see through|work with|have] [my|the|a] [webcam|camera]?", "[explain|tell me about] the [webcam|camera|webcam pane]", "webcam?", "camera?", "is there a [webcam|camera]?", "do you have a [webcam|camera]?", "how do I show you something with the [webcam|camera]?", "which camera [do you|does it|does the app] use?",
        ],
        [
            "The webcam pane shows your camera, and the model can say what it sees. I only know simple things; a real Gemma 4 model sees much more.",
        ],
        _THOUGHT, weight=1.3, brief="It shows your camera to the model.",
    ),
    help_on(
        "microphone pane",
        [
            "how [do|can] I [use|start|open|turn on|switch on] [the|my] [microphone|mic|microphone pane|mic pane]?", "what [is|does] the [microphone|mic] [pane|view|window] [for|do]?", "where is the [microphone|mic|microphone pane]?", "how does the [microphone|mic|microphone pane] work?", "[can|could] I [speak|talk] [to you|with my voice|] [by voice|with the microphone|with a microphone|instead of typing]?",
            "[can|does] [larimar|this app|the app] [use|listen to|work with|have] [my|the|a] [microphone|mic|voice]?", "[explain|tell me about] the [microphone|mic|microphone pane]", "microphone?", "is there a [microphone|mic]?", "what can I do with the [microphone|mic]?", "can I use my voice?", "[do|does] [you|it|the app] [have|support] voice input?", "which microphone [do you|does it|does the app] use?",
        ],
        [
            "The microphone pane writes down what you say, and the microphone in the chat asks with it. I know spoken digits and a few words; a real Gemma 4 model understands speech.",
        ],
        _THOUGHT, weight=1.3, brief="It writes down what you say.",
    ),
    help_on(
        "dictation",
        [
            "what is dictation?", "how [do|can] I dictate[ text| a text| a message| something| a letter|]?", "how does dictation work?", "[can|could] [I|you|larimar|the app] [dictate|take dictation|write down what I say|type what I say]?", "how do I [use|start|turn on] dictation?", "[explain|tell me about] dictation", "dictation?", "where is dictation?", "[is there|do you have] dictation?", "can you [turn|change|convert] [my|] speech [to|into] text?", "how do I turn [my|] speech into text?", "[can|does] [it|the app|larimar] [transcribe|write down] [speech|my voice|what I say]?", "[can|could] you transcribe [audio|a recording|my voice|speech]?",
        ],
        [
            "With dictation you hold a key, speak, and Larimar types what you said where your cursor is. I only know digits and a few words; a real Gemma 4 model knows all.",
        ],
        _THOUGHT, weight=1.2, brief="You speak and Larimar writes.",
    ),
    help_on(
        "privacy",
        [
            "is [this|it|larimar|the app|my data|everything] [private|safe|secure|confidential]?", "[do|does] [you|it|this app|larimar|the app] [send|upload|share|collect|store|sell|leak] [my|any|] [data|messages|text|information|pictures|conversations][ anywhere| to the internet| to google| to the cloud|]?", "where does my data go?", "who can [see|read] [my messages|this|my chats|what I write|what I say|my data]?", "are my [messages|chats|data|conversations|pictures|words] [private|safe|secret|stored|sent anywhere]?",
            "is my data safe[ with you| here|]?", "what about [privacy|my privacy|data protection]?", "privacy?", "do you spy on me?", "are you [listening to|watching|spying on|recording] me?", "is anyone [reading|watching|listening to] [this|me|my messages]?", "[does|will] anything leave [my|the|this] [machine|computer]?", "do you [need|use|have] [the|an|] internet[ connection| access|]?", "[do|does] [you|it|the app|larimar] work [offline|without internet|without the internet]?", "are you [online|offline|connected to the internet|in the cloud]?", "do you run [locally|in the cloud|on my machine|on my computer|on a server]?", "where do you run?", "[is|are] [this|you] [local|running locally|offline]?",
        ],
        ["Everything runs on your own machine, without the internet. Nothing that you type, say or show leaves it."],
        _THOUGHT, weight=2.0, brief="Nothing leaves your machine.",
    ),
    help_on(
        "convert a checkpoint",
        [
            "how [do|can] I convert [a|the|my|] [model|checkpoint|gemma model|hugging face model|gemma checkpoint|weights]?", "what [is|does] [main.py convert|the convert command|convert][ for| do|]?", "[explain|tell me about] [the conversion|converting a model|main.py convert|the convert command]", "how does [the conversion|conversion|convert|converting] work?", "how do I [make|create|get] a model folder?", "what is a model folder?", "which command converts [a model|a checkpoint|models]?", "convert [a|my] [model|checkpoint]", "how to convert[ a model| a checkpoint|]?", "can I convert [a|my own|a hugging face] [model|checkpoint]?", "how do I turn a checkpoint into [a model folder|onnx]?", "how do I export [a model|to onnx]?",
        ],
        [
            "Run main.py convert CHECKPOINT FOLDER in a terminal. It turns a Hugging Face Gemma 4 checkpoint into a model folder with ONNX graphs, which Larimar can load.",
        ],
        _THOUGHT, weight=1.5, brief="Run main.py convert CHECKPOINT FOLDER.",
    ),
    help_on(
        "terminal",
        [
            "[can|how can|how do] I [use|run|start] [you|it|larimar|this] [in|from] [the|a] [terminal|command line|console|shell]?", "is there a [terminal|command line|console|text] [mode|version|interface]?", "how do I ask [you|] [a question|something|] from the [terminal|command line|console]?", "what does main.py ask do?", "does it [work|run] without a [window|display|screen]?", "[explain|tell me about] [the|] terminal[ mode|]", "terminal mode?", "how does the terminal [mode|version|chat] work?", "what [commands|subcommands] are there?", "which commands [are there|does main.py have|can I use|do you have]?", "how do I start [larimar|the app|this app|the program]?", "how do I run [larimar|the app|this app|the program]?", "[can|does] it run without a window?",
        ],
        [
            'main.py opens the window, and main.py ask "your question" answers in the terminal. Without a display, main.py becomes a terminal chat by itself.',
        ],
        _THOUGHT, weight=1.3, brief='Use main.py ask "question".',
    ),
    help_on(
        "doctor",
        [
            "what [is|does] [the|] doctor[ command| do|]?", "what does main.py doctor do?", "[something|it|the app|larimar] [does not work|is broken|crashes|fails|is not working], what [can|should] I do?", "[it|the app|larimar|the program] does not work", "how [do|can] I [check|test|diagnose|examine] [my|the] [installation|setup|system|install]?", "[I have a|there is a] problem with [the app|larimar|the installation]", "how do I find out what is [wrong|broken|missing]?", "doctor?", "what is wrong with [my installation|my setup|the app]?", "how do I [run|use|start] [the|] doctor?", "[the app|larimar|it] is [broken|not working|crashing]", "is my [installation|setup] [ok|fine|working|complete]?", "how do I [fix|repair] [larimar|the app|my installation|this app]?", "is my gpu used?", "do you use [my|the] [gpu|graphics card]?",
        ],
        ["Run main.py doctor in a terminal. It checks your installation and says what is missing and what to do."],
        _THOUGHT, weight=1.3, brief="Run main.py doctor.",
    ),
    help_on(
        "speed",
        [
            "how fast are you?", "how many tokens [per|a] second[ do you make| can you do|]?", "are you fast?", "what does main.py bench do?", "how [do|can] I [measure|test|see|check] [the|your|how fast] [speed|you are]?", "why are you so [fast|quick|slow]?", "how do I measure [tokens per second|your speed]?", "what is the bench command[ for|]?", "what is your speed?", "where [can|do] I see the [speed|tokens per second]?",
        ],
        ["I am quick because I am tiny. The status line shows the tokens per second, and main.py bench measures them."],
        _THOUGHT, brief="Look at the status line.",
    ),
    help_on(
        "cost and licence",
        [
            "what does [it|larimar|this app|the app] cost?", "is [it|larimar|this app|the app|this] free?", "how much [does it cost|is it|is larimar|does larimar cost|does this cost]?", "is [it|larimar|this app|the app|this] open source?", "[what is|which is] the [licence|license]?", "under which [licence|license] is [it|larimar|the app]?", "[can|may] I use [it|larimar|you] for free?", "do I [have to|need to|must I] pay[ for this| for it|]?", "[may|can] I [use|copy|change|share|sell] [larimar|the code|this app]?", "where is the source code?", "is there a subscription?",
        ],
        ["Larimar is free and open source under the Apache License 2.0, and so am I."],
        _THOUGHT, brief="It is free.",
    ),
    help_on(
        "thinking",
        [
            "what is thinking[ mode|]?", "what does [the|] thinking[ mode| switch| option|] do?", "how [do|can] I [turn on|switch on|enable|use|turn off|switch off|disable] [the|] thinking[ mode|]?", "can you think before you answer?", "what [is|are] [a|the|] thought[s|][ channel|]?", "[explain|tell me about] [the|] thinking[ mode|]", "what does --think do?", "how does thinking work[ here|]?", "why do you show [a thought|your thoughts|thoughts]?",
        ],
        [
            "With thinking on, the model first writes a short thought and then the answer. In the terminal it is main.py ask with --think.",
        ],
        _THOUGHT, brief="It writes a thought first.",
    ),
    help_on(
        "can you see or hear",
        [
            "can you [see|hear|look at|watch|recognize|recognise] [me|this|it|anything|pictures|images|videos|photos|my voice|sounds|faces|my screen|colours]?", "can you see?", "can you hear?", "what do you see?", "what [can|do] you [see|hear][ now| here| right now|]?", "[describe|explain|look at|analyse|analyze] [the|this|my|that] [picture|image|photo|photograph|video|screenshot|screen|drawing|recording]", "what is [in|on] [the|this|my] [picture|image|photo|video|screen|screenshot]?", "[what|who] is [this|that|it] in the [picture|image|photo]?", "what am I [holding|wearing|showing you|doing]?", "how many [people|things|fingers|objects] [do you see|can you see|are in the picture|am I holding up]?", "what [colour|color] is my [shirt|hair|wall|jacket]?", "[do|can] you understand [pictures|images|speech|audio|videos|voice]?", "listen to [this|me|my voice|this recording]", "can you speak[ aloud|]?", "can you talk[ aloud|]?", "read [this|the] [text|document|sign|page] [in the picture|on the photo|on my screen]", "read [this|it|that] aloud", "what [did|do] I say[ in the recording|]?",
        ],
        [
            "There is no picture or sound here yet. Attach one: I know simple shapes, some things, and spoken digits.",
        ],
        "[The user wants me to see or hear.|This needs a picture or a sound.] There is none, and I say so.",
        weight=2.0, brief="There is no picture and no sound.",
    ),
    help_on(
        "languages",
        [
            "[do|can] you speak [german|french|spanish|italian|chinese|russian|japanese|polish|dutch|any other languages|other languages]?", "which languages do you [speak|know|understand]?", "what languages [do|can] you [speak|know|understand]?", "how many languages do you [speak|know]?", "[can|could] you [answer|write|talk|reply] in [german|french|spanish|italian|chinese|russian]?", "sprichst du deutsch?", "hablas espanol?", "parlez-vous francais?", "do you only speak english?", "[hola|bonjour|guten tag|hallo|ciao|salut|buenos dias]", "wie geht es dir?", "was kannst du?", "wer bist du?", "como estas?", "comment ca va?", "ich verstehe nicht", "kannst du deutsch?",
        ],
        ["I only know a little English. A real Gemma 4 model, loaded under Models, speaks many languages."],
        "[The user asks about languages.|This is about languages.] I only know English.",
        weight=1.2, brief="Only English.",
    ),
]  # fmt: skip
