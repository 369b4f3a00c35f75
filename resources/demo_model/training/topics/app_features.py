# ruff: noqa: E501 (the wordings of one thing stay on one line)
"""Help about what the window, the senses and the command line offer, one intent for each feature."""

from __future__ import annotations

from ..exchange import Intent
from .app_wordings import help_on

_THOUGHT = "[The user asks about the app.|This is a question about using Larimar.|I know this part of the app.] [I explain it.|I answer shortly.|I say how it works.]"
_HOW = "[how [do|can] I|how to|can I|is there a way to|where can I|I want to|how would I|what do I do to]"
_APP = "[larimar|the app|this app|the program]"

_FEATURES: dict[str, tuple[list[str], str]] = {
    "history": (
        [f"{_HOW} [find|see|open|get back to] [my|the] [old|earlier|past|previous] [chats|conversations|messages]?", "where [is|do I find] [the|my] [chat|] history?", "what is the [history|history pane|sidebar] for?", "[are|does it keep] my [old|] conversations [kept|saved|stored|]?", "history?", f"does {_APP} [keep|remember|save] [my|old] [chats|conversations]?", "where are my [old|earlier] [chats|conversations]?"],
        "History in the sidebar keeps your conversations on this machine. Click one to go on with it.",
    ),
    "search history": (
        [f"{_HOW} [search|search in|search through|look through] [my|the|all] [chats|conversations|history|messages]?", f"{_HOW} find [a word|something|an old message|text] in [my|the] [history|chats|conversations]?", "is there a search[ field| box|]?", "where is the search[ field| box|]?", "search [my|the] history", f"can {_APP} search?"],
        "Type into the search field above the history. It looks through everything that was said.",
    ),
    "export": (
        [f"{_HOW} export [a|the|this|my] [chat|conversation|conversations|history]?", f"{_HOW} save [a|the|this|my] [chat|conversation] [as|to] [a file|PDF|HTML|Markdown|JSON]?", "[which|what] formats can I export[ to|]?", "export?", f"{_HOW} [share|print|back up] [a|this|my] [chat|conversation]?", "can I get [a|my] conversation as [PDF|Markdown|HTML|a file]?"],
        "Choose Export in the menu of a conversation: Markdown, HTML, PDF or JSON with its pictures.",
    ),
    "import": (
        [f"{_HOW} import [a|an old|my] [chat|conversation|conversations|history]?", "import?", f"{_HOW} [load|bring back|restore] [a|an] [exported|saved] [chat|conversation]?", f"can {_APP} [import|read] [a|my] [JSON|exported] file?"],
        "Choose Import in the history's menu and pick a JSON file that Larimar exported.",
    ),
    "delete a conversation": (
        [f"{_HOW} [delete|remove|erase|get rid of] [a|this|the|an old] [chat|conversation]?", "I deleted [a|the wrong] [chat|conversation], can I [undo|get it back|restore it]?", f"{_HOW} undo [deleting|the deletion of] a [chat|conversation]?", "delete [this|a] [chat|conversation]"],
        "Press Delete on a conversation in the history. Undo brings it back.",
    ),
    "rename or pin": (
        [f"{_HOW} rename [a|this|the] [chat|conversation]?", f"{_HOW} pin [a|this|the] [chat|conversation]?", f"{_HOW} [give|set] a [chat|conversation] [a name|another name|a title]?", f"{_HOW} keep a [chat|conversation] at the top?", "what does pin do?", "change the [title|name] of [a|this] conversation"],
        "To rename a conversation or pin it to the top, right-click it in the history.",
    ),
    "edit and branch": (
        [f"{_HOW} [edit|change|correct|rewrite] [my|a|the] [question|message|last message]?", "what is a branch?", f"{_HOW} [branch|make a branch of] a conversation?", f"{_HOW} [see|go back to|reach] an earlier branch?", "I [mistyped|made a mistake in] my question, can I [edit|change] it?", "are earlier [versions|branches] [kept|lost]?"],
        "Use Edit under your message. The conversation branches there, and the arrows lead back to the earlier branch.",
    ),
    "regenerate": (
        [f"{_HOW} [regenerate|repeat|redo|retry] [an|the|your] [answer|reply]?", f"{_HOW} get [another|a different|a new|a better] [answer|reply]?", "regenerate?", "can you [try|answer] again?", "I do not like [this|the|your] answer, can I get another?"],
        "Use Regenerate under the reply. The old answer stays reachable with the arrows.",
    ),
    "copy": (
        [f"{_HOW} copy [an|the|your] [answer|reply|code|text]?", "where is the copy button?", f"{_HOW} copy [code|a table|everything]?", "copy?", f"{_HOW} get [the code|your answer] into the clipboard?"],
        "Each reply has a Copy button, and each block of code has one of its own.",
    ),
    "read aloud": (
        [f"{_HOW} have [the|an|your] [answer|answers|reply] read aloud?", "can you read [your|the] [answers|replies] aloud?", "where is read aloud?", f"can {_APP} speak [the answers|its answers]?", f"{_HOW} [turn on|switch on|get] spoken [replies|answers]?", "what are spoken replies?"],
        "Use Read aloud under a reply, or switch on spoken replies in Settings: each sentence is spoken as it comes.",
    ),
    "attach files": (
        [f"{_HOW} [attach|add|send|upload|show you] [a|an|some] [picture|image|photo|file|video|PDF|recording|sound file]?", f"{_HOW} drop [a|an] [picture|file|image] [here|into the chat]?", f"{_HOW} paste [a|an] [picture|image|screenshot]?", "which [files|formats|kinds of files] can I attach?", "where is the [paper clip|attach button]?", "can I drag and drop [files|pictures]?"],
        "Drop a picture, sound, video or PDF on the message box, paste it, or use the paper clip.",
    ),
    "visual detail": (
        ["what is [visual detail|the visual detail]?", "what do [70|140|280|560|1120] [tokens|soft tokens] mean?", f"{_HOW} [make you see|get] more detail[ in pictures| in a picture|]?", "what are soft tokens?", f"{_HOW} [choose|change|set] [the|] [visual detail|detail of pictures|number of soft tokens]?", "you cannot read the small [text|print] in my picture"],
        "Visual detail says how many soft tokens a picture takes, from 70 to 1120. More shows small text, but takes longer.",
    ),
    "system prompt": (
        ["what is [a|the] system prompt?", f"{_HOW} [set|change|write|use] [a|the] system prompt?", "where is the system prompt?", f"{_HOW} tell you how to [behave|answer]?", "system prompt?", f"{_HOW} give you [a role|another style|instructions]?"],
        "The system prompt tells the model how to behave in a conversation. Open it above the chat, or take a preset.",
    ),
    "models page": (
        ["what is the models page[ for|]?", "where [do|can] I [see|find] [my|the|all] models?", "[which|what] models [are there|can I use|does it support|do you support]?", f"{_HOW} [switch|change] [the|] [model|models]?", f"{_HOW} see which models [hear|see|understand sound|understand pictures]?", "models page?"],
        "Models lists what is on your disk and the Gemma 4 family, with sizes, memory, and what each one sees and hears.",
    ),
    "download a model": (
        [f"{_HOW} download [a|another|the real|a better] model?", f"{_HOW} [pause|resume|continue] a download?", "can I pause a download?", "does a download [go on|continue|resume] after [a break|a restart]?", f"{_HOW} get [the real gemma|a bigger model|gemma 4] [onto my machine|from hugging face|]?", "where do I enter my hugging face token?"],
        "Under Models, choose one and press Download. It can be paused and goes on later; checksums are verified.",
    ),
    "memory": (
        ["how much [memory|RAM] [do I need|does it need|does a model need|is needed]?", "is my [memory|RAM|machine] [enough|big enough|large enough]?", "which model fits [into|] my [memory|machine|computer]?", f"how much [memory|RAM] does {_APP} use?", "can my computer run [gemma|a real model|the big model]?"],
        "The Models page shows the memory that each model needs beside the memory that is free.",
    ),
    "unload a model": (
        [f"{_HOW} unload [a|the] model?", f"{_HOW} free [the|] memory?", "does the model stay in memory?", "when is the model unloaded?", f"{_HOW} unload [the model|models] [after some time|when idle]?"],
        "Press Unload under Models, or let Settings unload an idle model after some minutes.",
    ),
    "drafter": (
        ["what is [a|the] drafter?", "what is [speculative decoding|MTP|multi token prediction]?", "how does the drafter [work|help|make it faster]?", "why are answers faster with [a|the] drafter?", "drafter?", "what does drafts accepted mean?"],
        "A drafter is a small model that guesses several tokens ahead. The main model checks them at once, so answers come faster and stay the same.",
    ),
    "provider": (
        [f"{_HOW} [use|choose|switch to] [CUDA|the GPU|my graphics card|the CPU]?", "does it use [my|the] [GPU|graphics card]?", "which provider is [in use|used]?", "[CPU|GPU] or [GPU|CPU]?", f"{_HOW} see [whether|if] the [GPU|graphics card] is used?"],
        "Choose CPU or CUDA under Models; what is really in use stands beside it.",
    ),
    "settings": (
        ["where are the settings?", f"{_HOW} open [the|] settings?", "settings?", f"{_HOW} [change|find] [a|an|the] [setting|option|preferences]?", "where are the [options|preferences]?", "can I search the settings?"],
        "Open Settings with the gear at the bottom of the rail, or with Ctrl+Comma. It has a search field.",
    ),
    "theme": (
        [f"{_HOW} [switch|change] to [dark|light] mode?", "is there a dark [mode|theme]?", f"{_HOW} change the [theme|colours|look]?", "dark mode?", "it is too bright, can I [make it dark|get dark mode]?", f"can {_APP} [be|look] dark?"],
        "Settings offers a light and a dark theme, or the one of your system.",
    ),
    "text size": (
        [f"{_HOW} make the text [larger|bigger|smaller]?", f"{_HOW} [zoom|change the text size|change the font size]?", "the text is too [small|big|large]", "text zoom?", "I cannot read the [small|tiny] [text|letters] of the window"],
        "Press Ctrl+Plus or Ctrl+Minus, or set the text zoom in Settings.",
    ),
    "language of the app": (
        [f"{_HOW} change the language of {_APP}?", f"can {_APP} [be in|speak|use] German?", "[which|what] languages does the [window|app|interface] have?", f"{_HOW} switch the [window|interface] to [German|English]?", "is there a German version?"],
        "Settings has the language of the window. The language of the answers depends on the model.",
    ),
    "shortcuts": (
        ["[which|what] [shortcuts|keyboard shortcuts|keys|hotkeys] are there?", f"{_HOW} change [a|the|my] [shortcut|shortcuts|hotkey|keys]?", "where are the [shortcuts|keyboard shortcuts]?", "keyboard shortcuts?", f"can I use {_APP} without a mouse?", f"{_HOW} [use|work] with the keyboard only?", "what does F6 do?"],
        "Settings lists all shortcuts, and you can change them. F6 moves between the panes, so no mouse is needed.",
    ),
    "offline switch": (
        ["what does the offline switch do?", "what is offline mode?", f"{_HOW} [make sure|be sure] that nothing goes online?", f"{_HOW} [turn on|switch on|use] offline mode?", "offline switch?", f"{_HOW} [block|forbid|stop] all [connections|network access]?"],
        "With Offline on in Settings, Larimar opens no connection at all.",
    ),
    "wipe everything": (
        [f"{_HOW} [delete|wipe|erase|remove] [everything|all my data|all data|all conversations]?", "wipe everything?", "where is wipe everything?", f"{_HOW} reset {_APP}?", "what does wipe everything do?"],
        "Wipe everything in Settings removes all conversations, pictures and settings from this machine.",
    ),
    "tray and single instance": (
        ["what is the tray icon for?", f"can {_APP} stay in the [tray|background]?", f"why does {_APP} open only one window?", f"{_HOW} hide the window[ in the tray|]?", f"can I start {_APP} twice?", "tray icon?"],
        "The tray icon keeps Larimar at hand while the window is closed. Only one Larimar runs at a time.",
    ),
    "logs": (
        ["where are the logs?", f"{_HOW} see the log[s|]?", "is there a log viewer?", f"what happens when {_APP} crashes?", "where are [the|] crash reports?", "are crash reports sent [anywhere|to you]?"],
        "The log viewer is in the Help menu. Crash reports stay on your disk; nothing is sent.",
    ),
    "about": (
        ["where is the about [box|dialog|page]?", "where [do|can] I [see|find] the licences?", f"which version of {_APP} is this?", "about larimar?", f"{_HOW} see the version?"],
        "About in the Help menu shows the version and all licences.",
    ),
    "status line": (
        ["what does the [status line|line under the answer|line under your answer] [mean|show|say]?", "what are the numbers under [the|your] [answer|reply|answers]?", "what is [time to first token|context used]?", "how full is the context?", "status line?"],
        "The status line shows tokens per second, the time to the first token, accepted drafts and how full the context is.",
    ),
    "watch": (
        ["what does watch do[ in the webcam pane|]?", f"{_HOW} [watch|have the webcam watched|let you watch] [the scene|my room|something|]?", "what is watch mode?", f"can {_APP} [keep watching|describe what changes]?", "watch?", f"{_HOW} stop watching?"],
        "Watch in the webcam pane writes a new caption whenever the scene changes. Stop ends it and frees the camera.",
    ),
    "camera light": (
        ["is [my|the] [camera|microphone] [on|live|recording]?", f"{_HOW} [know|see] [whether|if] the [camera|microphone] is on?", "what does the red [dot|light|indicator] mean?", f"{_HOW} [turn off|switch off|stop] the [camera|microphone]?", "are [pictures|recordings] of me stored?"],
        "A red mark shows while camera, microphone or screen is live. One click stops all, and nothing is stored unless you keep it.",
    ),
    "push to talk": (
        ["what is push to talk?", f"{_HOW} use push to talk?", "push to talk?", "do I have to hold [a|the] key while [speaking|I speak]?", "what is the difference between push to talk and toggle?", f"{_HOW} [start|stop] [listening|recording my voice]?"],
        "With push to talk you hold the key while you speak; with toggle one press starts and the next one stops.",
    ),
    "silence": (
        ["what happens when I say nothing?", "does silence [matter|count|reach the model]?", "what is voice activity detection?", "how does it know [when I speak|that I am done|when I stop speaking]?", f"does {_APP} record [silence|everything]?"],
        "Voice detection finds where you speak. Silence never reaches the model.",
    ),
    "transcribe a file": (
        [f"{_HOW} transcribe [a|an|my] [file|recording|audio file|interview|podcast|video]?", f"can {_APP} [make|write] subtitles?", f"{_HOW} get subtitles[ for a video|]?", "what is [SRT|an SRT file]?", f"{_HOW} turn a recording into text?", "what does main.py transcribe do?"],
        "Open the file in the Microphone pane or run main.py transcribe FILE. The text comes with times, and SRT can be saved.",
    ),
    "translate speech": (
        [f"{_HOW} translate [speech|what I say|a recording|my voice]?", f"can {_APP} translate [speech|what I say|recordings]?", "what does translate into do?", f"{_HOW} [speak|dictate] in one language and get another?"],
        "Choose Translate into in the Microphone pane. A real Gemma 4 model writes what you said in the other language.",
    ),
    "phrase list": (
        ["what is the phrase list?", f"{_HOW} teach you [names|words|my name|special words]?", "you [misspell|write wrongly] [names|my name|special words] in dictation", "phrase list?", f"{_HOW} [add|enter] [words|names] for dictation?"],
        "Put names and special words into the phrase list in the Microphone pane; dictation then spells them like that.",
    ),
    "dictate anywhere": (
        [f"{_HOW} dictate into [another|any|a different] [program|app|window|editor]?", "what is the dictation hotkey?", f"can {_APP} [type|write] into [other|another] [programs|program]?", f"{_HOW} [use|set] the dictation [hotkey|key|shortcut]?", "does dictation work in [my browser|my editor|other programs|every program]?"],
        "Hold the dictation hotkey in any program, speak, and release: the text appears where your cursor is.",
    ),
    "paste last": (
        ["what does paste last do?", f"{_HOW} [paste|insert] the last dictation again?", f"{_HOW} undo [a|the last] dictation?", "my dictated text [is gone|was lost|went to the wrong window]", "paste last?"],
        "Paste last inserts the last dictated text again, and undo takes it back.",
    ),
    "screen": (
        [f"{_HOW} [show you|ask about|describe|capture] [my|the] screen?", f"{_HOW} [ask about|select|capture|use] a [region|part] of [my|the] screen?", "what [is|does] the screen pane[ for| do|]?", "can you read [text on|the text on] [my|the] screen?", "screen pane?", f"{_HOW} [take|make] a screenshot?", "what does [describe|explain this|read the text] do?"],
        "In the Screen pane choose the whole screen, a window or a region, and then Describe, Read the text or Explain this.",
    ),
    "last region": (
        [f"{_HOW} [repeat|use] the last region[ again|]?", "what is last region?", f"{_HOW} capture the same region again?", "last region?", "must I select the region every time?"],
        "Last region takes the same part of the screen again, without selecting it.",
    ),
    "barge-in": (
        [f"{_HOW} interrupt [you|the voice|spoken replies] [by speaking|by talking|with my voice|while you speak]?", "can I interrupt you [by speaking|while you speak|with my voice]?", "what is barge-in?", "[must|should] I use headphones?", "why [headphones|do I need headphones]?", "does your voice stop when I speak?"],
        "Just speak, and the voice stops. Headphones help, because then the microphone does not hear me.",
    ),
    "hands-free": (
        ["what is hands-free[ mode| conversation|]?", f"{_HOW} [talk|speak] with you without [hands|the keyboard|touching anything]?", f"{_HOW} [start|use|end|stop] [a|the|] hands-free [conversation|mode]?", "hands-free?", "can we have a [spoken|voice] conversation?"],
        "Hands-free listens, answers by voice and listens again. One key ends it.",
    ),
    "command line tools": (
        ["what does main.py [describe|listen] do?", f"{_HOW} describe a picture [from|in] the [terminal|command line]?", f"{_HOW} listen [from|in] the [terminal|command line]?", "which senses work in the terminal?", "can I use the [webcam|microphone|screen] from the [terminal|command line]?"],
        "In the terminal there are main.py transcribe FILE, main.py describe FILE, --screen or --webcam, and main.py listen.",
    ),
    "tools": (
        ["what are tools?", "what is a tool call?", "can you [use|call] [tools|functions]?", "tool calls?", "how do tool calls work?", "do you have a [clock|calculator]?", "what tools do you have?"],
        "When a program offers me tools, such as a clock or a calculator, I can call them and use what they return.",
    ),
}  # fmt: skip

INTENTS: list[Intent] = [
    help_on(name, patterns, [answer], _THOUGHT, weight=0.8, brief=answer.split(". ")[0].rstrip(".") + ".")
    for name, (patterns, answer) in _FEATURES.items()
]
