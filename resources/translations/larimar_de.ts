<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="de" sourcelanguage="en">
<context>
    <name>AboutDialog</name>
    <message>
        <source>About Larimar</source>
        <translation>Über Larimar</translation>
    </message>
    <message>
        <source>Other packages</source>
        <translation>Andere Pakete</translation>
    </message>
    <message>
        <source>Larimar {version}</source>
        <translation>Larimar {version}</translation>
    </message>
    <message>
        <source>A desktop assistant that runs Gemma 4 wholly on your own computer: nothing that you write or that it answers leaves it. Free software under the Apache License 2.0. Gemma is a trademark of Google LLC; Larimar is an independent project.</source>
        <translation>Ein Assistent für den Schreibtisch, der Gemma 4 ganz auf Ihrem eigenen Computer ausführt: Nichts von dem, was Sie schreiben oder er antwortet, verlässt ihn. Freie Software unter der Apache-Lizenz 2.0. Gemma ist eine Marke von Google LLC; Larimar ist ein unabhängiges Projekt.</translation>
    </message>
    <message>
        <source>Licences</source>
        <translation>Lizenzen</translation>
    </message>
    <message>
        <source>Text of the licence</source>
        <translation>Text der Lizenz</translation>
    </message>
    <message>
        <source>Close</source>
        <translation>Schließen</translation>
    </message>
    <message>
        <source>This is a checkout, not an installed build: the packages that Larimar uses were installed by pip, and each has its licence in its own folder of metadata. “pip show -f NAME” lists it.</source>
        <translation>Dies ist ein ausgechecktes Repository, keine installierte Fassung: Die Pakete, die Larimar benutzt, hat pip installiert, und jedes hat seine Lizenz in seinem eigenen Ordner mit Metadaten. „pip show -f NAME“ führt sie auf.</translation>
    </message>
</context>
<context>
    <name>AnswerView</name>
    <message>
        <source>Answers</source>
        <translation>Antworten</translation>
    </message>
    <message>
        <source>… {count} more characters</source>
        <translation>… {count} weitere Zeichen</translation>
    </message>
</context>
<context>
    <name>AppMenu</name>
    <message>
        <source>Settings…</source>
        <translation>Einstellungen …</translation>
    </message>
    <message>
        <source>Appearance</source>
        <translation>Aussehen</translation>
    </message>
    <message>
        <source>Like the system</source>
        <translation>Wie das System</translation>
    </message>
    <message>
        <source>Light</source>
        <translation>Hell</translation>
    </message>
    <message>
        <source>Dark</source>
        <translation>Dunkel</translation>
    </message>
    <message>
        <source>Dictate</source>
        <translation>Diktieren</translation>
    </message>
    <message>
        <source>Paste last dictation</source>
        <translation>Letztes Diktat einfügen</translation>
    </message>
    <message>
        <source>Ask about the screen</source>
        <translation>Nach dem Bildschirm fragen</translation>
    </message>
    <message>
        <source>Models…</source>
        <translation>Modelle …</translation>
    </message>
    <message>
        <source>Choose a model folder…</source>
        <translation>Modellordner wählen …</translation>
    </message>
    <message>
        <source>Log…</source>
        <translation>Protokoll …</translation>
    </message>
    <message>
        <source>About Larimar</source>
        <translation>Über Larimar</translation>
    </message>
</context>
<context>
    <name>AskWindow</name>
    <message>
        <source>Ask about the screen</source>
        <translation>Nach dem Bildschirm fragen</translation>
    </message>
    <message>
        <source>Describe</source>
        <translation>Beschreiben</translation>
    </message>
    <message>
        <source>Describe what you see.</source>
        <translation>Beschreibe, was du siehst.</translation>
    </message>
    <message>
        <source>Read the text</source>
        <translation>Text lesen</translation>
    </message>
    <message>
        <source>Read the text.</source>
        <translation>Lies den Text.</translation>
    </message>
    <message>
        <source>Explain this</source>
        <translation>Erklären</translation>
    </message>
    <message>
        <source>Explain this.</source>
        <translation>Erkläre das.</translation>
    </message>
    <message>
        <source>Ask about this picture</source>
        <translation>Nach diesem Bild fragen</translation>
    </message>
    <message>
        <source>Pick again</source>
        <translation>Neu auswählen</translation>
    </message>
    <message>
        <source>Copy answer</source>
        <translation>Antwort kopieren</translation>
    </message>
    <message>
        <source>Continue in chat</source>
        <translation>Im Chat fortsetzen</translation>
    </message>
    <message>
        <source>Try again</source>
        <translation>Noch einmal versuchen</translation>
    </message>
    <message>
        <source>The answer was stopped.</source>
        <translation>Die Antwort wurde angehalten.</translation>
    </message>
    <message>
        <source>{model} cannot see pictures; choose a model that can</source>
        <translation>{model} kann keine Bilder sehen; wählen Sie ein Modell, das es kann</translation>
    </message>
    <message>
        <source>There is no model to ask yet</source>
        <translation>Noch gibt es kein Modell, das gefragt werden könnte</translation>
    </message>
    <message>
        <source>The model is loading …</source>
        <translation>Das Modell wird geladen …</translation>
    </message>
    <message>
        <source>Copied</source>
        <translation>Kopiert</translation>
    </message>
</context>
<context>
    <name>AttachmentStrip</name>
    <message>
        <source>Attachments</source>
        <translation>Anhänge</translation>
    </message>
</context>
<context>
    <name>AttachmentTile</name>
    <message>
        <source>Remove {name}</source>
        <translation>{name} entfernen</translation>
    </message>
</context>
<context>
    <name>Attachments</name>
    <message>
        <source>Pasted picture</source>
        <translation>Eingefügtes Bild</translation>
    </message>
    <message>
        <source>This cannot be attached: something went wrong.</source>
        <translation>Das lässt sich nicht anhängen: Etwas ist schiefgegangen.</translation>
    </message>
    <message>
        <source>{model} cannot see pictures, so “{name}” cannot be sent to it.</source>
        <translation>{model} kann keine Bilder sehen; „{name}“ lässt sich nicht an das Modell senden.</translation>
    </message>
    <message>
        <source>{model} cannot see pages, so “{name}” cannot be sent to it.</source>
        <translation>{model} kann keine Seiten sehen; „{name}“ lässt sich nicht an das Modell senden.</translation>
    </message>
    <message>
        <source>{model} cannot hear, so “{name}” cannot be sent to it.</source>
        <translation>{model} kann nicht hören; „{name}“ lässt sich nicht an das Modell senden.</translation>
    </message>
    <message>
        <source>{model} cannot watch videos, so “{name}” cannot be sent to it.</source>
        <translation>{model} kann keine Videos sehen; „{name}“ lässt sich nicht an das Modell senden.</translation>
    </message>
    <message>
        <source>Choose a model that can.</source>
        <translation>Wählen Sie ein Modell, das es kann.</translation>
    </message>
</context>
<context>
    <name>Banner</name>
    <message>
        <source>Close</source>
        <translation>Schließen</translation>
    </message>
    <message>
        <source>Close (Esc)</source>
        <translation>Schließen (Esc)</translation>
    </message>
</context>
<context>
    <name>Camera</name>
    <message>
        <source>Screen {name}</source>
        <translation>Bildschirm {name}</translation>
    </message>
</context>
<context>
    <name>CardNotice</name>
    <message>
        <source>Dismiss</source>
        <translation>Ausblenden</translation>
    </message>
    <message>
        <source>This build computes on NVIDIA graphics cards, but {reason}, so the processor computes. It needs driver 580 or newer, CUDA 13 and cuDNN 9.</source>
        <translation>Diese Fassung rechnet auf Grafikkarten von NVIDIA, doch jetzt rechnet der Prozessor ({reason}). Sie braucht den Treiber 580 oder neuer, CUDA 13 und cuDNN 9.</translation>
    </message>
</context>
<context>
    <name>CatalogueCard</name>
    <message>
        <source>On this computer</source>
        <translation>Auf diesem Computer</translation>
    </message>
    <message>
        <source>about {size} on disk</source>
        <translation>etwa {size} auf der Platte</translation>
    </message>
    <message>
        <source>about {size} once converted</source>
        <translation>umgewandelt etwa {size}</translation>
    </message>
    <message>
        <source>Download of {name}</source>
        <translation>Download von {name}</translation>
    </message>
    <message>
        <source>Licence</source>
        <translation>Lizenz</translation>
    </message>
    <message>
        <source>Read the licence of {name}</source>
        <translation>Die Lizenz von {name} lesen</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>Abbrechen</translation>
    </message>
    <message>
        <source>Cancel the download of {name}</source>
        <translation>Den Download von {name} abbrechen</translation>
    </message>
    <message>
        <source>Stop, and delete what has arrived</source>
        <translation>Anhalten und löschen, was angekommen ist</translation>
    </message>
    <message>
        <source>Download</source>
        <translation>Herunterladen</translation>
    </message>
    <message>
        <source>Download {name}</source>
        <translation>{name} herunterladen</translation>
    </message>
    <message>
        <source>Asking the Hugging Face Hub …</source>
        <translation>Der Hugging Face Hub wird gefragt …</translation>
    </message>
    <message>
        <source>{done} of {total}</source>
        <translation>{done} von {total}</translation>
    </message>
    <message>
        <source>checking what arrived</source>
        <translation>wird geprüft</translation>
    </message>
    <message>
        <source>{speed} a second</source>
        <translation>{speed} pro Sekunde</translation>
    </message>
    <message>
        <source>Paused; {size} are here already</source>
        <translation>Angehalten; {size} sind schon da</translation>
    </message>
    <message>
        <source>Go on</source>
        <translation>Fortsetzen</translation>
    </message>
    <message>
        <source>Go on with the download of {name}</source>
        <translation>Den Download von {name} fortsetzen</translation>
    </message>
    <message>
        <source>How to get it</source>
        <translation>So bekommt man es</translation>
    </message>
    <message>
        <source>How to get {name}</source>
        <translation>So bekommt man {name}</translation>
    </message>
    <message>
        <source>Pause</source>
        <translation>Anhalten</translation>
    </message>
    <message>
        <source>Pause the download of {name}</source>
        <translation>Den Download von {name} anhalten</translation>
    </message>
    <message>
        <source>No folder that Larimar could download is published. Download {checkpoint} from the Hugging Face Hub (hf download {checkpoint}), then choose “Convert a checkpoint…” above.</source>
        <translation>Es ist kein Ordner veröffentlicht, den Larimar herunterladen könnte. Laden Sie {checkpoint} vom Hugging Face Hub (hf download {checkpoint}), dann wählen Sie oben „Checkpoint umwandeln …“.</translation>
    </message>
    <message>
        <source>Needs about {size} of memory</source>
        <translation>Braucht etwa {size} Arbeitsspeicher</translation>
    </message>
    <message>
        <source>{needs}.</source>
        <translation>{needs}.</translation>
    </message>
    <message>
        <source>{needs}; {free} are free.</source>
        <translation>{needs}; {free} sind frei.</translation>
    </message>
    <message>
        <source>{needs}, and only {free} are free now: it would be slow, or not load.</source>
        <translation>{needs}, und nur {free} sind gerade frei: Es wäre langsam oder ließe sich nicht laden.</translation>
    </message>
    <message>
        <source>The small one: sees and hears, and is quick on a laptop.</source>
        <translation>Das kleine: Es sieht und hört und ist auf einem Laptop schnell.</translation>
    </message>
    <message>
        <source>Better answers than E2B, at about half its speed.</source>
        <translation>Bessere Antworten als E2B, etwa halb so schnell.</translation>
    </message>
    <message>
        <source>One model for text, pictures and sound, without separate encoders.</source>
        <translation>Ein Modell für Text, Bilder und Ton, ohne eigene Encoder.</translation>
    </message>
    <message>
        <source>Many experts, of which few work on each word: large in memory, yet quick.</source>
        <translation>Viele Experten, von denen wenige an jedem Wort arbeiten: groß im Speicher und doch schnell.</translation>
    </message>
    <message>
        <source>The best answers of the family; wants a large graphics card.</source>
        <translation>Die besten Antworten der Familie; braucht eine große Grafikkarte.</translation>
    </message>
</context>
<context>
    <name>ChatHeader</name>
    <message>
        <source>Conversations</source>
        <translation>Gespräche</translation>
    </message>
    <message>
        <source>Read replies aloud</source>
        <translation>Antworten vorlesen</translation>
    </message>
    <message>
        <source>System prompt</source>
        <translation>Systemprompt</translation>
    </message>
    <message>
        <source>New chat</source>
        <translation>Neues Gespräch</translation>
    </message>
    <message>
        <source>Show or hide the list of conversations</source>
        <translation>Die Liste der Gespräche zeigen oder verbergen</translation>
    </message>
    <message>
        <source>System prompt: set</source>
        <translation>Systemprompt: gesetzt</translation>
    </message>
    <message>
        <source>System prompt: none</source>
        <translation>Systemprompt: keiner</translation>
    </message>
    <message>
        <source>What the model is told before this conversation; one is set</source>
        <translation>Was dem Modell vor diesem Gespräch gesagt wird; einer ist gesetzt</translation>
    </message>
    <message>
        <source>What the model is told before this conversation; nothing yet</source>
        <translation>Was dem Modell vor diesem Gespräch gesagt wird; noch nichts</translation>
    </message>
    <message>
        <source>Replies are read aloud</source>
        <translation>Antworten werden vorgelesen</translation>
    </message>
    <message>
        <source>Read replies aloud as they come</source>
        <translation>Antworten vorlesen, während sie kommen</translation>
    </message>
    <message>
        <source>End the conversation without hands</source>
        <translation>Das freihändige Gespräch beenden</translation>
    </message>
    <message>
        <source>Conversation without hands</source>
        <translation>Freihändiges Gespräch</translation>
    </message>
</context>
<context>
    <name>ChatModel</name>
    <message>
        <source>no answer yet</source>
        <translation>noch keine Antwort</translation>
    </message>
    <message>
        <source>(stopped)</source>
        <translation>(angehalten)</translation>
    </message>
    <message>
        <source>(version {number} of {count})</source>
        <translation>(Fassung {number} von {count})</translation>
    </message>
    <message>
        <source>You: {text}</source>
        <translation>Sie: {text}</translation>
    </message>
    <message>
        <source>Larimar: {text}</source>
        <translation>Larimar: {text}</translation>
    </message>
    <message>
        <source>picture</source>
        <translation>Bild</translation>
    </message>
    <message>
        <source>recording</source>
        <translation>Aufnahme</translation>
    </message>
    <message>
        <source>video</source>
        <translation>Video</translation>
    </message>
    <message>
        <source>(attached: {kinds})</source>
        <translation>(angehängt: {kinds})</translation>
    </message>
</context>
<context>
    <name>ChatPane</name>
    <message>
        <source>The model could not be loaded</source>
        <translation>Das Modell konnte nicht geladen werden</translation>
    </message>
    <message>
        <source>Choose a model folder…</source>
        <translation>Modellordner wählen …</translation>
    </message>
    <message>
        <source>Retry</source>
        <translation>Noch einmal</translation>
    </message>
    <message>
        <source>The model is loading; you can already write</source>
        <translation>Das Modell wird geladen; Sie können schon schreiben</translation>
    </message>
    <message>
        <source>There is no model to ask yet</source>
        <translation>Noch ist kein Modell da, das man fragen könnte</translation>
    </message>
    <message>
        <source>Ask anything</source>
        <translation>Fragen Sie etwas</translation>
    </message>
    <message>
        <source>The reply was stopped.</source>
        <translation>Die Antwort wurde angehalten.</translation>
    </message>
    <message>
        <source>{text} (stopped)</source>
        <translation>{text} (angehalten)</translation>
    </message>
    <message>
        <source>“{name}” is no longer there, or cannot be read.</source>
        <translation>„{name}“ ist nicht mehr da oder lässt sich nicht lesen.</translation>
    </message>
    <message>
        <source>This address leads to {host}.</source>
        <translation>Diese Adresse führt zu {host}.</translation>
    </message>
    <message>
        <source>Open this address in your browser?</source>
        <translation>Diese Adresse im Browser öffnen?</translation>
    </message>
    <message>
        <source>Open link</source>
        <translation>Link öffnen</translation>
    </message>
    <message>
        <source>Open</source>
        <translation>Öffnen</translation>
    </message>
</context>
<context>
    <name>ChatView</name>
    <message>
        <source>Conversation</source>
        <translation>Gespräch</translation>
    </message>
    <message>
        <source>Up and Down move between messages. Space unfolds a thought, Ctrl+C copies, F2 edits a question, Ctrl+R asks for another reply, Alt+Left and Alt+Right show other versions, Ctrl+L reads aloud, the menu key offers everything.</source>
        <translation>Auf und Ab gehen von Nachricht zu Nachricht. Die Leertaste klappt einen Gedanken auf, Strg+C kopiert, F2 bearbeitet eine Frage, Strg+R bittet um eine andere Antwort, Alt+Links und Alt+Rechts zeigen andere Fassungen, Strg+L liest vor, die Menütaste bietet alles an.</translation>
    </message>
    <message>
        <source>Copy</source>
        <translation>Kopieren</translation>
    </message>
    <message>
        <source>Copy message</source>
        <translation>Nachricht kopieren</translation>
    </message>
    <message>
        <source>Copy code: {start}</source>
        <translation>Code kopieren: {start}</translation>
    </message>
    <message>
        <source>Stop reading aloud</source>
        <translation>Vorlesen anhalten</translation>
    </message>
    <message>
        <source>Show the thought</source>
        <translation>Den Gedanken zeigen</translation>
    </message>
    <message>
        <source>Hide the thought</source>
        <translation>Den Gedanken verbergen</translation>
    </message>
    <message>
        <source>Open link</source>
        <translation>Link öffnen</translation>
    </message>
    <message>
        <source>Copy link</source>
        <translation>Link kopieren</translation>
    </message>
</context>
<context>
    <name>Composer</name>
    <message>
        <source>Message</source>
        <translation>Nachricht</translation>
    </message>
    <message>
        <source>Enter sends, Shift+Enter begins a new line, Esc stops the reply</source>
        <translation>Eingabe sendet, Umschalt+Eingabe beginnt eine neue Zeile, Esc hält die Antwort an</translation>
    </message>
    <message>
        <source>Ask anything</source>
        <translation>Fragen Sie etwas</translation>
    </message>
    <message>
        <source>Attach files</source>
        <translation>Dateien anhängen</translation>
    </message>
    <message>
        <source>Attach pictures, sound, video or PDF pages; or drop them here, or paste them</source>
        <translation>Bilder, Ton, Video oder PDF-Seiten anhängen; oder hier ablegen oder einfügen</translation>
    </message>
    <message>
        <source>Think</source>
        <translation>Nachdenken</translation>
    </message>
    <message>
        <source>Think before answering</source>
        <translation>Vor dem Antworten nachdenken</translation>
    </message>
    <message>
        <source>Let the model think before it answers: slower, often better</source>
        <translation>Das Modell nachdenken lassen, bevor es antwortet: langsamer, oft besser</translation>
    </message>
    <message>
        <source>Everything stays on this computer. Answers can be wrong.</source>
        <translation>Alles bleibt auf diesem Computer. Antworten können falsch sein.</translation>
    </message>
    <message>
        <source>You are editing a message. The earlier version stays reachable.</source>
        <translation>Sie bearbeiten eine Nachricht. Die frühere Fassung bleibt erreichbar.</translation>
    </message>
    <message>
        <source>Auto: more for screenshots and documents</source>
        <translation>Automatisch: mehr für Bildschirmfotos und Dokumente</translation>
    </message>
    <message>
        <source>glance</source>
        <translation>flüchtig</translation>
    </message>
    <message>
        <source>low</source>
        <translation>niedrig</translation>
    </message>
    <message>
        <source>normal</source>
        <translation>normal</translation>
    </message>
    <message>
        <source>high</source>
        <translation>hoch</translation>
    </message>
    <message>
        <source>finest, for small print</source>
        <translation>am feinsten, für Kleingedrucktes</translation>
    </message>
    <message>
        <source>{tokens} tokens: {name}</source>
        <translation>{tokens} Token: {name}</translation>
    </message>
    <message>
        <source>Detail: {detail}</source>
        <translation>Genauigkeit: {detail}</translation>
    </message>
    <message>
        <source>Auto</source>
        <translation>Automatisch</translation>
    </message>
    <message>
        <source>How closely pictures are looked at: more tokens see more and take longer</source>
        <translation>Wie genau Bilder angesehen werden: Mehr Token sehen mehr und dauern länger</translation>
    </message>
    <message>
        <source>{tokens} tokens</source>
        <translation>{tokens} Token</translation>
    </message>
    <message>
        <source>, about {seconds} s</source>
        <translation>, etwa {seconds} s</translation>
    </message>
    <message>
        <source>More than the model’s context of {all} tokens can hold</source>
        <translation>Mehr, als der Kontext des Modells von {all} Token fasst</translation>
    </message>
    <message>
        <source>What the model reads of the attachments</source>
        <translation>Was das Modell von den Anhängen liest</translation>
    </message>
    <message>
        <source>All that can be attached</source>
        <translation>Alles, was sich anhängen lässt</translation>
    </message>
    <message>
        <source>Pictures</source>
        <translation>Bilder</translation>
    </message>
    <message>
        <source>Sound</source>
        <translation>Ton</translation>
    </message>
    <message>
        <source>Videos</source>
        <translation>Videos</translation>
    </message>
    <message>
        <source>PDF files</source>
        <translation>PDF-Dateien</translation>
    </message>
    <message>
        <source>All files</source>
        <translation>Alle Dateien</translation>
    </message>
    <message>
        <source>Stop</source>
        <translation>Anhalten</translation>
    </message>
    <message>
        <source>Send</source>
        <translation>Senden</translation>
    </message>
    <message>
        <source>Stop (Esc)</source>
        <translation>Anhalten (Esc)</translation>
    </message>
    <message>
        <source>Send (Enter)</source>
        <translation>Senden (Eingabe)</translation>
    </message>
</context>
<context>
    <name>ConversationController</name>
    <message>
        <source>The conversation could not be read or written.</source>
        <translation>Das Gespräch konnte nicht gelesen oder geschrieben werden.</translation>
    </message>
</context>
<context>
    <name>Conversion</name>
    <message>
        <source>{folder} holds no config.json. Choose the folder of the whole checkpoint.</source>
        <translation>{folder} enthält keine config.json. Wählen Sie den Ordner mit dem ganzen Checkpoint.</translation>
    </message>
    <message>
        <source>{folder} cannot be read:</source>
        <translation>{folder} lässt sich nicht lesen:</translation>
    </message>
    <message>
        <source>The config.json in {folder} is damaged. Download the checkpoint again.</source>
        <translation>Die config.json in {folder} ist beschädigt. Laden Sie den Checkpoint noch einmal herunter.</translation>
    </message>
    <message>
        <source>{folder} holds no Gemma 4, which is all that Larimar converts.</source>
        <translation>{folder} enthält kein Gemma 4; nur das wandelt Larimar um.</translation>
    </message>
    <message>
        <source>{folder} is a model folder already: use “Add a folder…”.</source>
        <translation>{folder} ist schon ein Modellordner: Nehmen Sie „Ordner hinzufügen …“.</translation>
    </message>
    <message>
        <source>{folder} holds no weights (*.safetensors). Download the whole checkpoint.</source>
        <translation>{folder} enthält keine Gewichte (*.safetensors). Laden Sie den ganzen Checkpoint herunter.</translation>
    </message>
    <message>
        <source>The conversion broke off, perhaps for want of memory. Try again: it goes on where it stopped.</source>
        <translation>Die Umwandlung brach ab, vielleicht aus Mangel an Arbeitsspeicher. Versuchen Sie es noch einmal: Sie geht dort weiter, wo sie aufgehört hat.</translation>
    </message>
</context>
<context>
    <name>ConversionCard</name>
    <message>
        <source>Precision</source>
        <translation>Genauigkeit</translation>
    </message>
    <message>
        <source>4 bit (as published models are)</source>
        <translation>4 Bit (wie veröffentlichte Modelle)</translation>
    </message>
    <message>
        <source>8 bit (more memory, slightly better)</source>
        <translation>8 Bit (mehr Speicher, etwas besser)</translation>
    </message>
    <message>
        <source>16 bit (for graphics cards)</source>
        <translation>16 Bit (für Grafikkarten)</translation>
    </message>
    <message>
        <source>32 bit (to compare with)</source>
        <translation>32 Bit (zum Vergleichen)</translation>
    </message>
    <message>
        <source>Model that the drafter is added to</source>
        <translation>Modell, zu dem der Drafter kommt</translation>
    </message>
    <message>
        <source>Add a drafter…</source>
        <translation>Drafter hinzufügen …</translation>
    </message>
    <message>
        <source>Choose the checkpoint of the model’s drafter</source>
        <translation>Den Checkpoint vom Drafter des Modells wählen</translation>
    </message>
    <message>
        <source>Guesses words ahead, which makes answers faster</source>
        <translation>Rät Wörter voraus, was Antworten schneller macht</translation>
    </message>
    <message>
        <source>Conversion</source>
        <translation>Umwandlung</translation>
    </message>
    <message>
        <source>Install and convert</source>
        <translation>Installieren und umwandeln</translation>
    </message>
    <message>
        <source>Do not install</source>
        <translation>Nicht installieren</translation>
    </message>
    <message>
        <source>Nothing was installed.</source>
        <translation>Es wurde nichts installiert.</translation>
    </message>
    <message>
        <source>Close</source>
        <translation>Schließen</translation>
    </message>
    <message>
        <source>Do not convert</source>
        <translation>Nicht umwandeln</translation>
    </message>
    <message>
        <source>Convert</source>
        <translation>Umwandeln</translation>
    </message>
    <message>
        <source>Convert {name}</source>
        <translation>{name} umwandeln</translation>
    </message>
    <message>
        <source>This is the drafter of a model: convert or download the model first.</source>
        <translation>Das ist der Drafter eines Modells: Wandeln Sie zuerst das Modell um, oder laden Sie es herunter.</translation>
    </message>
    <message>
        <source>With {name}</source>
        <translation>Mit {name}</translation>
    </message>
    <message>
        <source>A drafter of {size}: it makes the answers of its model faster.</source>
        <translation>Ein Drafter von {size}: Er macht die Antworten seines Modells schneller.</translation>
    </message>
    <message>
        <source>{size} of weights become about {about}, and take some minutes to convert.</source>
        <translation>Aus {size} Gewichten werden etwa {about}; das dauert einige Minuten.</translation>
    </message>
    <message>
        <source>{percent} %</source>
        <translation>{percent} %</translation>
    </message>
    <message>
        <source>Stop</source>
        <translation>Anhalten</translation>
    </message>
    <message>
        <source>Stop the conversion</source>
        <translation>Die Umwandlung anhalten</translation>
    </message>
    <message>
        <source>Beginning …</source>
        <translation>Wird begonnen …</translation>
    </message>
    <message>
        <source>There is a model of this name already: remove it first, or choose another precision.</source>
        <translation>Ein Modell dieses Namens gibt es schon: Entfernen Sie es zuerst, oder wählen Sie eine andere Genauigkeit.</translation>
    </message>
    <message>
        <source>Stopping …</source>
        <translation>Wird angehalten …</translation>
    </message>
    <message>
        <source>This folder holds no drafter.</source>
        <translation>Dieser Ordner enthält keinen Drafter.</translation>
    </message>
</context>
<context>
    <name>Coordinator</name>
    <message>
        <source>Nothing was dictated yet since Larimar was started.</source>
        <translation>Seit Larimar gestartet wurde, ist noch nichts diktiert worden.</translation>
    </message>
    <message>
        <source>No text came for too long; dictation has stopped waiting.</source>
        <translation>Zu lange kam kein Text; das Diktat wartet nicht mehr.</translation>
    </message>
    <message>
        <source>The last words are still being written; try again in a moment.</source>
        <translation>Die letzten Worte werden noch geschrieben; versuchen Sie es gleich noch einmal.</translation>
    </message>
    <message>
        <source>No words were heard.</source>
        <translation>Es waren keine Worte zu hören.</translation>
    </message>
</context>
<context>
    <name>Cover</name>
    <message>
        <source>Pick a part of the screen</source>
        <translation>Einen Teil des Bildschirms auswählen</translation>
    </message>
    <message>
        <source>Drag over a part · click a window · Enter takes the whole screen · Esc ends</source>
        <translation>Einen Teil aufziehen · ein Fenster anklicken · Eingabe nimmt den ganzen Bildschirm · Esc bricht ab</translation>
    </message>
</context>
<context>
    <name>DemoOffer</name>
    <message>
        <source>This is the demo model: tiny, made to try the program, and often wrong.</source>
        <translation>Dies ist das Demo-Modell: winzig, zum Ausprobieren gemacht und oft im Irrtum.</translation>
    </message>
    <message>
        <source>See real models</source>
        <translation>Richtige Modelle ansehen</translation>
    </message>
    <message>
        <source>Do not show this again</source>
        <translation>Nicht mehr zeigen</translation>
    </message>
</context>
<context>
    <name>DictationActions</name>
    <message>
        <source>Dictate</source>
        <translation>Diktieren</translation>
    </message>
    <message>
        <source>Paste last dictation</source>
        <translation>Letztes Diktat einfügen</translation>
    </message>
    <message>
        <source>Take back the inserted text</source>
        <translation>Eingefügten Text zurücknehmen</translation>
    </message>
    <message>
        <source>Hold {keys} in any program and speak: the words appear there.</source>
        <translation>Halten Sie {keys} in einem beliebigen Programm und sprechen Sie: Die Worte erscheinen dort.</translation>
    </message>
    <message>
        <source>Press {keys} in any program and speak: the words appear there.</source>
        <translation>Drücken Sie {keys} in einem beliebigen Programm und sprechen Sie: Die Worte erscheinen dort.</translation>
    </message>
    <message>
        <source>Release {keys} to insert · Esc cancels</source>
        <translation>{keys} loslassen fügt ein · Esc bricht ab</translation>
    </message>
    <message>
        <source>Press {keys} again to insert · Esc cancels</source>
        <translation>{keys} noch einmal fügt ein · Esc bricht ab</translation>
    </message>
</context>
<context>
    <name>DictationRows</name>
    <message>
        <source>Dictate into any program</source>
        <translation>In jedes Programm diktieren</translation>
    </message>
    <message>
        <source>Press the keys, in whatever program you are, and what you say appears where the cursor is. Nothing of it is stored; the last texts stay in memory until Larimar ends.</source>
        <translation>Drücken Sie die Tasten, in welchem Programm Sie auch sind, und was Sie sagen, erscheint an der Schreibmarke. Nichts davon wird gespeichert; die letzten Texte bleiben im Arbeitsspeicher, bis Larimar endet.</translation>
    </message>
    <message>
        <source>How it begins and ends</source>
        <translation>Wie es beginnt und endet</translation>
    </message>
    <message>
        <source>Hold the keys while speaking</source>
        <translation>Die Tasten beim Sprechen halten</translation>
    </message>
    <message>
        <source>Press once, and once again</source>
        <translation>Einmal drücken, und noch einmal</translation>
    </message>
    <message>
        <source>Spoken language</source>
        <translation>Gesprochene Sprache</translation>
    </message>
    <message>
        <source>Naming it helps the model, most of all with short sentences.</source>
        <translation>Sie zu nennen hilft dem Modell, vor allem bei kurzen Sätzen.</translation>
    </message>
    <message>
        <source>Whatever is heard</source>
        <translation>Was zu hören ist</translation>
    </message>
    <message>
        <source>Space after the text</source>
        <translation>Leerzeichen nach dem Text</translation>
    </message>
    <message>
        <source>So that the next words can follow at once.</source>
        <translation>Damit die nächsten Worte gleich folgen können.</translation>
    </message>
    <message>
        <source>Words to know</source>
        <translation>Wörter, die es kennen soll</translation>
    </message>
    <message>
        <source>One on each line</source>
        <translation>Eines in jeder Zeile</translation>
    </message>
    <message>
        <source>Names and terms that are to be spelled as you write them here.</source>
        <translation>Namen und Fachwörter, die so geschrieben werden sollen wie hier.</translation>
    </message>
</context>
<context>
    <name>Downloads</name>
    <message>
        <source>Something went wrong inside Larimar during the download. Please try again.</source>
        <translation>Beim Herunterladen ist in Larimar etwas schiefgegangen. Bitte versuchen Sie es noch einmal.</translation>
    </message>
</context>
<context>
    <name>DropHint</name>
    <message>
        <source>Drop to attach</source>
        <translation>Zum Anhängen loslassen</translation>
    </message>
</context>
<context>
    <name>Export</name>
    <message>
        <source>Untitled conversation</source>
        <translation>Gespräch ohne Titel</translation>
    </message>
    <message>
        <source>You</source>
        <translation>Sie</translation>
    </message>
    <message>
        <source>Tool</source>
        <translation>Werkzeug</translation>
    </message>
    <message>
        <source>Larimar</source>
        <translation>Larimar</translation>
    </message>
    <message>
        <source>Stopped.</source>
        <translation>Angehalten.</translation>
    </message>
    <message>
        <source>Thought</source>
        <translation>Gedanke</translation>
    </message>
    <message>
        <source>Thought for {seconds} s</source>
        <translation>{seconds} s nachgedacht</translation>
    </message>
    <message>
        <source>Tool called: {name}</source>
        <translation>Aufgerufenes Werkzeug: {name}</translation>
    </message>
    <message>
        <source>Result of {name}</source>
        <translation>Ergebnis von {name}</translation>
    </message>
    <message>
        <source>This attachment cannot be shown.</source>
        <translation>Dieser Anhang kann nicht gezeigt werden.</translation>
    </message>
</context>
<context>
    <name>ExportFormats</name>
    <message>
        <source>Markdown…</source>
        <translation>Markdown …</translation>
    </message>
    <message>
        <source>Web page (HTML)…</source>
        <translation>Webseite (HTML) …</translation>
    </message>
    <message>
        <source>PDF…</source>
        <translation>PDF …</translation>
    </message>
    <message>
        <source>Larimar archive (JSON with media)…</source>
        <translation>Larimar-Archiv (JSON mit Medien) …</translation>
    </message>
</context>
<context>
    <name>FileRow</name>
    <message>
        <source>Progress</source>
        <translation>Fortschritt</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>Abbrechen</translation>
    </message>
    <message>
        <source>Cancel this recording</source>
        <translation>Diese Aufnahme abbrechen</translation>
    </message>
    <message>
        <source> and {count} more</source>
        <translation> und {count} mehr</translation>
    </message>
</context>
<context>
    <name>FileTranscriber</name>
    <message>
        <source>{model} does not understand sound. Choose a model that does.</source>
        <translation>{model} versteht keinen Ton. Wählen Sie ein Modell, das es kann.</translation>
    </message>
</context>
<context>
    <name>GlobalKeyRows</name>
    <message>
        <source>Restore</source>
        <translation>Zurücksetzen</translation>
    </message>
    <message>
        <source>Restore the default keys of all that acts in every program</source>
        <translation>Die Tasten von allem zurücksetzen, was in jedem Programm wirkt</translation>
    </message>
    <message>
        <source>Default keys</source>
        <translation>Tasten wie am Anfang</translation>
    </message>
    <message>
        <source>Where these keys cannot work, the desktop’s own keyboard settings can run “larimar --dictate”, “--ask-screen”, “--paste-last” or “--cancel”.</source>
        <translation>Wo diese Tasten nicht wirken können, kann die Tastatureinstellung des Desktops „larimar --dictate“, „--ask-screen“, „--paste-last“ oder „--cancel“ starten.</translation>
    </message>
</context>
<context>
    <name>GlobalKeys</name>
    <message>
        <source>Keys for every program need Ctrl, Alt or the system key, or are F keys.</source>
        <translation>Tasten für alle Programme brauchen Strg, Alt oder die Systemtaste, oder sind F-Tasten.</translation>
    </message>
    <message>
        <source>{keys} belongs to “{action}” already.</source>
        <translation>{keys} gehört schon zu „{action}“.</translation>
    </message>
    <message>
        <source>{keys} belongs to “{action}” in Larimar’s window.</source>
        <translation>{keys} gehört in Larimars Fenster zu „{action}“.</translation>
    </message>
</context>
<context>
    <name>Greeting</name>
    <message>
        <source>What can I do for you?</source>
        <translation>Was kann ich für Sie tun?</translation>
    </message>
    <message>
        <source>Ask: {question}</source>
        <translation>Fragen: {question}</translation>
    </message>
    <message>
        <source>Ask me something, or begin with one of these.</source>
        <translation>Fragen Sie mich etwas, oder beginnen Sie hiermit.</translation>
    </message>
    <message>
        <source>One moment, the model is loading …</source>
        <translation>Einen Augenblick, das Modell wird geladen …</translation>
    </message>
    <message>
        <source>Who are you?</source>
        <translation>Wer bist du?</translation>
    </message>
    <message>
        <source>What can this app do?</source>
        <translation>Was kann dieses Programm?</translation>
    </message>
    <message>
        <source>What is 12 + 7?</source>
        <translation>Was ist 12 + 7?</translation>
    </message>
    <message>
        <source>Do my chats stay private?</source>
        <translation>Bleiben meine Gespräche privat?</translation>
    </message>
</context>
<context>
    <name>HandsFree</name>
    <message>
        <source>The microphone hears Larimar’s own voice. To interrupt it, speak louder than it does, or use headphones.</source>
        <translation>Das Mikrofon hört Larimars eigene Stimme. Um sie zu unterbrechen, sprechen Sie lauter als sie, oder nehmen Sie Kopfhörer.</translation>
    </message>
</context>
<context>
    <name>HistoryActions</name>
    <message>
        <source>The conversations could not be read or written.</source>
        <translation>Die Gespräche konnten nicht gelesen oder geschrieben werden.</translation>
    </message>
</context>
<context>
    <name>HistoryDelegate</name>
    <message>
        <source>New title</source>
        <translation>Neuer Titel</translation>
    </message>
    <message>
        <source>Untitled</source>
        <translation>Ohne Titel</translation>
    </message>
</context>
<context>
    <name>HistoryList</name>
    <message>
        <source>Conversations</source>
        <translation>Gespräche</translation>
    </message>
    <message>
        <source>Open</source>
        <translation>Öffnen</translation>
    </message>
    <message>
        <source>Rename	F2</source>
        <translation>Umbenennen	F2</translation>
    </message>
    <message>
        <source>Unpin</source>
        <translation>Lösen</translation>
    </message>
    <message>
        <source>Pin</source>
        <translation>Anheften</translation>
    </message>
    <message>
        <source>Export</source>
        <translation>Exportieren</translation>
    </message>
    <message>
        <source>Delete	Del</source>
        <translation>Löschen	Entf</translation>
    </message>
</context>
<context>
    <name>HistoryModel</name>
    <message>
        <source>Pinned</source>
        <translation>Angeheftet</translation>
    </message>
    <message>
        <source>Untitled</source>
        <translation>Ohne Titel</translation>
    </message>
    <message>
        <source>{title}, pinned</source>
        <translation>{title}, angeheftet</translation>
    </message>
    <message>
        <source>{found} – in {title}, {when}</source>
        <translation>{found} – in {title}, {when}</translation>
    </message>
</context>
<context>
    <name>HistoryPane</name>
    <message>
        <source>Today</source>
        <translation>Heute</translation>
    </message>
    <message>
        <source>Yesterday</source>
        <translation>Gestern</translation>
    </message>
    <message>
        <source>The last 7 days</source>
        <translation>Die letzten 7 Tage</translation>
    </message>
    <message>
        <source>The last 30 days</source>
        <translation>Die letzten 30 Tage</translation>
    </message>
    <message>
        <source>Search</source>
        <translation>Suchen</translation>
    </message>
    <message>
        <source>Search all conversations</source>
        <translation>Alle Gespräche durchsuchen</translation>
    </message>
    <message>
        <source>Search all conversations (Ctrl+F)</source>
        <translation>Alle Gespräche durchsuchen (Strg+F)</translation>
    </message>
    <message>
        <source>Export and import</source>
        <translation>Exportieren und importieren</translation>
    </message>
    <message>
        <source>Conversations</source>
        <translation>Gespräche</translation>
    </message>
    <message>
        <source>Export all conversations</source>
        <translation>Alle Gespräche exportieren</translation>
    </message>
    <message>
        <source>Import a Larimar archive…</source>
        <translation>Ein Larimar-Archiv importieren …</translation>
    </message>
    <message>
        <source>Nothing found</source>
        <translation>Nichts gefunden</translation>
    </message>
    <message>
        <source>Your conversations will be listed here.</source>
        <translation>Hier werden Ihre Gespräche stehen.</translation>
    </message>
</context>
<context>
    <name>Hotkeys</name>
    <message>
        <source>Larimar has no global keys on macOS yet: let the Shortcuts app run “larimar --dictate” with keys of your choice.</source>
        <translation>Auf macOS hat Larimar noch keine globalen Tasten: Lassen Sie die App „Kurzbefehle“ mit Tasten Ihrer Wahl „larimar --dictate“ starten.</translation>
    </message>
    <message>
        <source>Global keys need the Python package {package}, which is not installed.</source>
        <translation>Globale Tasten brauchen das Python-Paket {package}, das nicht installiert ist.</translation>
    </message>
    <message>
        <source>There are no global keys on this display.</source>
        <translation>Auf dieser Anzeige gibt es keine globalen Tasten.</translation>
    </message>
    <message>
        <source>This desktop offers no global keys to programs. Let its own keyboard settings run “larimar --dictate”.</source>
        <translation>Dieser Desktop bietet Programmen keine globalen Tasten. Lassen Sie seine Tastatureinstellung „larimar --dictate“ starten.</translation>
    </message>
    <message>
        <source>The desktop gave Larimar no global keys; its keyboard settings may allow them.</source>
        <translation>Der Desktop gab Larimar keine globalen Tasten; vielleicht erlauben es seine Tastatureinstellungen.</translation>
    </message>
    <message>
        <source>The desktop hears the global keys no longer; they work after the next start.</source>
        <translation>Der Desktop hört die globalen Tasten nicht mehr; nach dem nächsten Start wirken sie wieder.</translation>
    </message>
    <message>
        <source>Windows does not answer; the keys may work after the next start.</source>
        <translation>Windows antwortet nicht; vielleicht wirken die Tasten nach dem nächsten Start.</translation>
    </message>
    <message>
        <source>This keyboard has no key for {keys}.</source>
        <translation>Diese Tastatur hat keine Taste für {keys}.</translation>
    </message>
    <message>
        <source>{keys} belongs to another program already; choose other keys, or free them there.</source>
        <translation>{keys} gehört schon einem anderen Programm; wählen Sie andere Tasten, oder geben Sie sie dort frei.</translation>
    </message>
    <message>
        <source>There are no global keys: the X server lets nobody in.</source>
        <translation>Es gibt keine globalen Tasten: Der X-Server lässt niemanden ein.</translation>
    </message>
    <message>
        <source>The X server does not answer; the keys may work after the next start.</source>
        <translation>Der X-Server antwortet nicht; vielleicht wirken die Tasten nach dem nächsten Start.</translation>
    </message>
    <message>
        <source>The X server ended the connection; there are no global keys.</source>
        <translation>Der X-Server hat die Verbindung beendet; es gibt keine globalen Tasten.</translation>
    </message>
    <message>
        <source>The keyboard is another one now, on which {keys} cannot be used.</source>
        <translation>Die Tastatur ist jetzt eine andere, auf der {keys} nicht geht.</translation>
    </message>
</context>
<context>
    <name>HubToken</name>
    <message>
        <source>This is no token: it is one word of letters and digits, most often hf_….</source>
        <translation>Das ist kein Token: Es ist ein Wort aus Buchstaben und Ziffern, meist hf_….</translation>
    </message>
    <message>
        <source>This system has no keyring, and Larimar writes no token into a plain file. Install one (GNOME Keyring or KWallet), or set the variable HF_TOKEN before you start Larimar.</source>
        <translation>Dieses System hat keinen Schlüsselbund, und Larimar schreibt kein Token in eine offene Datei. Installieren Sie einen (GNOME Keyring oder KWallet), oder setzen Sie die Variable HF_TOKEN, bevor Sie Larimar starten.</translation>
    </message>
    <message>
        <source>The keyring did not take it. Unlock it, then try again.</source>
        <translation>Der Schlüsselbund hat es nicht angenommen. Entsperren Sie ihn, dann versuchen Sie es noch einmal.</translation>
    </message>
</context>
<context>
    <name>InstalledCard</name>
    <message>
        <source>Demo</source>
        <translation>Demo</translation>
    </message>
    <message>
        <source>with drafter</source>
        <translation>mit Drafter</translation>
    </message>
    <message>
        <source>Guesses words ahead, which makes answers faster</source>
        <translation>Rät Wörter voraus, was Antworten schneller macht</translation>
    </message>
    <message>
        <source>Comes with Larimar to show how it works. It knows little, and is often wrong: load a real model.</source>
        <translation>Liegt Larimar bei, um zu zeigen, wie es arbeitet. Es weiß wenig und irrt oft: Laden Sie ein richtiges Modell.</translation>
    </message>
    <message>
        <source>Load</source>
        <translation>Laden</translation>
    </message>
    <message>
        <source>Load {name}</source>
        <translation>{name} laden</translation>
    </message>
    <message>
        <source>Remove</source>
        <translation>Entfernen</translation>
    </message>
    <message>
        <source>Remove {name}</source>
        <translation>{name} entfernen</translation>
    </message>
    <message>
        <source>Delete it</source>
        <translation>Löschen</translation>
    </message>
    <message>
        <source>Take it from the list</source>
        <translation>Von der Liste nehmen</translation>
    </message>
    <message>
        <source>Keep it</source>
        <translation>Behalten</translation>
    </message>
    <message>
        <source>Delete {name} from this computer? {size} become free.</source>
        <translation>{name} von diesem Computer löschen? {size} werden frei.</translation>
    </message>
    <message>
        <source>Take {name} from this list? The folder itself stays where it is.</source>
        <translation>{name} von dieser Liste nehmen? Der Ordner selbst bleibt, wo er ist.</translation>
    </message>
</context>
<context>
    <name>Keeping</name>
    <message>
        <source>Copy</source>
        <translation>Kopieren</translation>
    </message>
    <message>
        <source>Save…</source>
        <translation>Speichern …</translation>
    </message>
    <message>
        <source>Send to chat</source>
        <translation>In den Chat</translation>
    </message>
    <message>
        <source>Clear</source>
        <translation>Leeren</translation>
    </message>
    <message>
        <source>Copied.</source>
        <translation>Kopiert.</translation>
    </message>
    <message>
        <source>{name} could not be written. Choose another folder.</source>
        <translation>{name} konnte nicht geschrieben werden. Wählen Sie einen anderen Ordner.</translation>
    </message>
    <message>
        <source>Saved as {name}.</source>
        <translation>Gespeichert als {name}.</translation>
    </message>
    <message>
        <source>Save what was said</source>
        <translation>Speichern, was gesagt wurde</translation>
    </message>
</context>
<context>
    <name>KeyField</name>
    <message>
        <source>None</source>
        <translation>Keine</translation>
    </message>
    <message>
        <source>Press keys …</source>
        <translation>Tasten drücken …</translation>
    </message>
    <message>
        <source>{action}: {keys}</source>
        <translation>{action}: {keys}</translation>
    </message>
    <message>
        <source>Press to choose other keys; then Backspace takes them away, Esc leaves them</source>
        <translation>Drücken, um andere Tasten zu wählen; danach nimmt die Rücktaste sie weg, Esc lässt sie</translation>
    </message>
</context>
<context>
    <name>Larimar</name>
    <message>
        <source>Show Larimar</source>
        <translation>Larimar zeigen</translation>
    </message>
    <message>
        <source>Choose a model folder</source>
        <translation>Modellordner wählen</translation>
    </message>
    <message>
        <source>Choose the folder of a checkpoint</source>
        <translation>Den Ordner eines Checkpoints wählen</translation>
    </message>
</context>
<context>
    <name>Layouter</name>
    <message>
        <source>Thought for {seconds} s</source>
        <translation>{seconds} s nachgedacht</translation>
    </message>
    <message>
        <source>Thinking …</source>
        <translation>Denkt nach …</translation>
    </message>
    <message>
        <source>Thought</source>
        <translation>Gedanke</translation>
    </message>
    <message>
        <source>Stopped</source>
        <translation>Angehalten</translation>
    </message>
    <message>
        <source>Cut off: no more room for this reply</source>
        <translation>Abgeschnitten: kein Platz mehr für diese Antwort</translation>
    </message>
    <message>
        <source>first token {seconds} s</source>
        <translation>erstes Token {seconds} s</translation>
    </message>
    <message>
        <source>{percent} % of drafts accepted</source>
        <translation>{percent} % der Entwürfe angenommen</translation>
    </message>
    <message>
        <source>{used} of {all} tokens of context</source>
        <translation>{used} von {all} Token Kontext</translation>
    </message>
    <message>
        <source>the oldest message no longer fits</source>
        <translation>die älteste Nachricht passt nicht mehr hinein</translation>
    </message>
    <message>
        <source>the {count} oldest messages no longer fit</source>
        <translation>die {count} ältesten Nachrichten passen nicht mehr hinein</translation>
    </message>
    <message>
        <source>{speed} tokens/s</source>
        <translation>{speed} Token/s</translation>
    </message>
    <message>
        <source>Edit</source>
        <translation>Bearbeiten</translation>
    </message>
    <message>
        <source>Copy</source>
        <translation>Kopieren</translation>
    </message>
    <message>
        <source>Open attachment</source>
        <translation>Anhang öffnen</translation>
    </message>
    <message>
        <source>Show more</source>
        <translation>Mehr zeigen</translation>
    </message>
    <message>
        <source>Copy code</source>
        <translation>Code kopieren</translation>
    </message>
    <message>
        <source>Ask for another reply</source>
        <translation>Um eine andere Antwort bitten</translation>
    </message>
    <message>
        <source>Read aloud</source>
        <translation>Vorlesen</translation>
    </message>
    <message>
        <source>Previous version</source>
        <translation>Vorige Fassung</translation>
    </message>
    <message>
        <source>Next version</source>
        <translation>Nächste Fassung</translation>
    </message>
    <message>
        <source>Reading … {percent} %</source>
        <translation>Liest … {percent} %</translation>
    </message>
    <message>
        <source>Reading …</source>
        <translation>Liest …</translation>
    </message>
    <message>
        <source>Answering …</source>
        <translation>Antwortet …</translation>
    </message>
    <message>
        <source>Tool call: {name}</source>
        <translation>Werkzeugaufruf: {name}</translation>
    </message>
    <message>
        <source>Result of {name}</source>
        <translation>Ergebnis von {name}</translation>
    </message>
    <message>
        <source>… {count} more characters</source>
        <translation>… {count} weitere Zeichen</translation>
    </message>
</context>
<context>
    <name>LevelMeter</name>
    <message>
        <source>Loudness</source>
        <translation>Lautstärke</translation>
    </message>
</context>
<context>
    <name>Listener</name>
    <message>
        <source>{model} does not understand sound. Choose a model that does.</source>
        <translation>{model} versteht keinen Ton. Wählen Sie ein Modell, das es kann.</translation>
    </message>
    <message>
        <source>Something went wrong inside Larimar while it was recording. Please try again.</source>
        <translation>Beim Aufnehmen ist in Larimar etwas schiefgegangen. Bitte versuchen Sie es noch einmal.</translation>
    </message>
</context>
<context>
    <name>ListeningHeader</name>
    <message>
        <source>Microphone</source>
        <translation>Mikrofon</translation>
    </message>
    <message>
        <source>Which microphone</source>
        <translation>Welches Mikrofon</translation>
    </message>
    <message>
        <source>Language that is spoken</source>
        <translation>Sprache, die gesprochen wird</translation>
    </message>
    <message>
        <source>Translate into</source>
        <translation>Übersetzen in</translation>
    </message>
    <message>
        <source>Spelling</source>
        <translation>Schreibweise</translation>
    </message>
    <message>
        <source>Any language</source>
        <translation>Jede Sprache</translation>
    </message>
    <message>
        <source>No translation</source>
        <translation>Keine Übersetzung</translation>
    </message>
    <message>
        <source>Into {language}</source>
        <translation>In: {language}</translation>
    </message>
    <message>
        <source>Spelling: names and terms that the model is told</source>
        <translation>Schreibweise: Namen und Fachwörter, die das Modell erfährt</translation>
    </message>
    <message>
        <source>Names and terms as they are spelled, one in each line</source>
        <translation>Namen und Fachwörter, wie man sie schreibt, je eines in einer Zeile</translation>
    </message>
    <message>
        <source>Names and terms as they are spelled</source>
        <translation>Namen und Fachwörter, wie man sie schreibt</translation>
    </message>
    <message>
        <source>The system&apos;s microphone</source>
        <translation>Das Mikrofon des Systems</translation>
    </message>
    <message>
        <source>{name} (not there)</source>
        <translation>{name} (nicht da)</translation>
    </message>
    <message>
        <source>Spelling ({count})</source>
        <translation>Schreibweise ({count})</translation>
    </message>
</context>
<context>
    <name>LiveIndicator</name>
    <message>
        <source>Stop</source>
        <translation>Anhalten</translation>
    </message>
    <message>
        <source>{what}. Stop.</source>
        <translation>{what}. Anhalten.</translation>
    </message>
    <message>
        <source>{what}. Click to stop.</source>
        <translation>{what}. Ein Klick hält an.</translation>
    </message>
    <message>
        <source>camera</source>
        <translation>Kamera</translation>
    </message>
    <message>
        <source>microphone</source>
        <translation>Mikrofon</translation>
    </message>
    <message>
        <source>screen</source>
        <translation>Bildschirm</translation>
    </message>
    <message>
        <source>On now: {senses}</source>
        <translation>An: {senses}</translation>
    </message>
</context>
<context>
    <name>LogDialog</name>
    <message>
        <source>Log</source>
        <translation>Protokoll</translation>
    </message>
    <message>
        <source>Kept in {folder}. Nothing of it is sent anywhere, and it never holds what was said.</source>
        <translation>Liegt in {folder}. Nichts davon wird irgendwohin gesendet, und nie steht darin, was gesagt wurde.</translation>
    </message>
    <message>
        <source>Log and crash reports</source>
        <translation>Protokoll und Absturzberichte</translation>
    </message>
    <message>
        <source>Crash reports</source>
        <translation>Absturzberichte</translation>
    </message>
    <message>
        <source>Refresh</source>
        <translation>Aktualisieren</translation>
    </message>
    <message>
        <source>Copy</source>
        <translation>Kopieren</translation>
    </message>
    <message>
        <source>Open the folder</source>
        <translation>Ordner öffnen</translation>
    </message>
    <message>
        <source>Close</source>
        <translation>Schließen</translation>
    </message>
    <message>
        <source>Nothing yet.</source>
        <translation>Noch nichts.</translation>
    </message>
</context>
<context>
    <name>MainWindow</name>
    <message>
        <source>Larimar</source>
        <translation>Larimar</translation>
    </message>
    <message>
        <source>Chat</source>
        <translation>Chat</translation>
    </message>
    <message>
        <source>Webcam</source>
        <translation>Webcam</translation>
    </message>
    <message>
        <source>Microphone</source>
        <translation>Mikrofon</translation>
    </message>
    <message>
        <source>Models</source>
        <translation>Modelle</translation>
    </message>
    <message>
        <source>Settings</source>
        <translation>Einstellungen</translation>
    </message>
</context>
<context>
    <name>Markdown</name>
    <message>
        <source>… {count} more columns</source>
        <translation>… {count} weitere Spalten</translation>
    </message>
</context>
<context>
    <name>MediaTiles</name>
    <message>
        <source>Picture</source>
        <translation>Bild</translation>
    </message>
    <message>
        <source>Recording</source>
        <translation>Aufnahme</translation>
    </message>
    <message>
        <source>Video</source>
        <translation>Video</translation>
    </message>
</context>
<context>
    <name>MicrophonePane</name>
    <message>
        <source>Speak, and it is written down</source>
        <translation>Sprechen Sie, und es wird aufgeschrieben</translation>
    </message>
    <message>
        <source>Open recordings…</source>
        <translation>Aufnahmen öffnen …</translation>
    </message>
    <message>
        <source>Hold the button while you speak, or press once to begin and once to end. Recordings and videos can be dropped here. No sound is kept, and nothing leaves this computer.</source>
        <translation>Halten Sie den Knopf, während Sie sprechen, oder drücken Sie einmal zum Beginnen und einmal zum Beenden. Aufnahmen und Videos können hier abgelegt werden. Kein Ton wird behalten, und nichts verlässt diesen Computer.</translation>
    </message>
    <message>
        <source>Drop to write it down</source>
        <translation>Ablegen, um es aufzuschreiben</translation>
    </message>
    <message>
        <source>Microphone, {time}</source>
        <translation>Mikrofon, {time}</translation>
    </message>
    <message>
        <source>Recording</source>
        <translation>Aufnahme</translation>
    </message>
    <message>
        <source>Nothing was understood. Speak closer to the microphone, or choose another one.</source>
        <translation>Es wurde nichts verstanden. Sprechen Sie näher am Mikrofon, oder wählen Sie ein anderes.</translation>
    </message>
    <message>
        <source>{name} is written down.</source>
        <translation>{name} ist aufgeschrieben.</translation>
    </message>
    <message>
        <source>Nobody speaks in {name}.</source>
        <translation>In {name} spricht niemand.</translation>
    </message>
    <message>
        <source>Open recordings</source>
        <translation>Aufnahmen öffnen</translation>
    </message>
    <message>
        <source>Listening: {name}</source>
        <translation>Hört zu: {name}</translation>
    </message>
    <message>
        <source>Opening …</source>
        <translation>Wird geöffnet …</translation>
    </message>
    <message>
        <source>Writing down …</source>
        <translation>Wird aufgeschrieben …</translation>
    </message>
    <message>
        <source>{model} does not understand sound. Choose a model that does.</source>
        <translation>{model} versteht keinen Ton. Wählen Sie ein Modell, das es kann.</translation>
    </message>
</context>
<context>
    <name>Models</name>
    <message>
        <source>pictures</source>
        <translation>Bilder</translation>
    </message>
    <message>
        <source>video</source>
        <translation>Video</translation>
    </message>
    <message>
        <source>sound</source>
        <translation>Ton</translation>
    </message>
    <message>
        <source>Text</source>
        <translation>Text</translation>
    </message>
    <message>
        <source>{tokens} tokens of context</source>
        <translation>{tokens} Token Kontext</translation>
    </message>
    <message>
        <source>{time} left</source>
        <translation>noch {time}</translation>
    </message>
</context>
<context>
    <name>ModelsPane</name>
    <message>
        <source>Models</source>
        <translation>Modelle</translation>
    </message>
    <message>
        <source>Everything runs on this computer; only a download needs the network.</source>
        <translation>Alles läuft auf diesem Computer; nur ein Download braucht das Netz.</translation>
    </message>
    <message>
        <source>Add a folder…</source>
        <translation>Ordner hinzufügen …</translation>
    </message>
    <message>
        <source>Add a model folder</source>
        <translation>Einen Modellordner hinzufügen</translation>
    </message>
    <message>
        <source>Convert a checkpoint…</source>
        <translation>Checkpoint umwandeln …</translation>
    </message>
    <message>
        <source>Convert a checkpoint to a model folder</source>
        <translation>Einen Checkpoint in einen Modellordner umwandeln</translation>
    </message>
    <message>
        <source>On this computer</source>
        <translation>Auf diesem Computer</translation>
    </message>
    <message>
        <source>Gemma 4, by Google</source>
        <translation>Gemma 4 von Google</translation>
    </message>
    <message>
        <source>Loading …</source>
        <translation>Wird geladen …</translation>
    </message>
    <message>
        <source>Unloaded to save memory</source>
        <translation>Entladen, um Speicher zu sparen</translation>
    </message>
    <message>
        <source>Loaded, on {provider}</source>
        <translation>Geladen, auf {provider}</translation>
    </message>
    <message>
        <source>Loaded</source>
        <translation>Geladen</translation>
    </message>
</context>
<context>
    <name>Overlay</name>
    <message>
        <source>Dictation</source>
        <translation>Diktat</translation>
    </message>
    <message>
        <source>Cancel dictation</source>
        <translation>Diktat abbrechen</translation>
    </message>
    <message>
        <source>Cancel (Esc)</source>
        <translation>Abbrechen (Esc)</translation>
    </message>
    <message>
        <source>One moment …</source>
        <translation>Einen Augenblick …</translation>
    </message>
    <message>
        <source>The microphone is being opened.</source>
        <translation>Das Mikrofon wird geöffnet.</translation>
    </message>
    <message>
        <source>Listening</source>
        <translation>Hört zu</translation>
    </message>
    <message>
        <source>Writing …</source>
        <translation>Schreibt …</translation>
    </message>
    <message>
        <source>Inserted</source>
        <translation>Eingefügt</translation>
    </message>
    <message>
        <source>On the clipboard</source>
        <translation>In der Zwischenablage</translation>
    </message>
    <message>
        <source>Dictation: {state}</source>
        <translation>Diktat: {state}</translation>
    </message>
</context>
<context>
    <name>PagesDialog</name>
    <message>
        <source>Pages to attach</source>
        <translation>Seiten zum Anhängen</translation>
    </message>
    <message>
        <source>“{name}” has {pages} pages. Each one that is attached takes about {tokens} tokens.</source>
        <translation>„{name}“ hat {pages} Seiten. Jede, die angehängt wird, braucht etwa {tokens} Token.</translation>
    </message>
    <message>
        <source>Pages, for example 1-3, 7</source>
        <translation>Seiten, zum Beispiel 1-3, 7</translation>
    </message>
    <message>
        <source>1-3, 7</source>
        <translation>1-3, 7</translation>
    </message>
    <message>
        <source>Attach</source>
        <translation>Anhängen</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>Abbrechen</translation>
    </message>
</context>
<context>
    <name>Picture</name>
    <message>
        <source>What was picked</source>
        <translation>Was ausgewählt wurde</translation>
    </message>
</context>
<context>
    <name>Preview</name>
    <message>
        <source>What the camera sees</source>
        <translation>Was die Kamera sieht</translation>
    </message>
    <message>
        <source>Starting the camera …</source>
        <translation>Die Kamera startet …</translation>
    </message>
</context>
<context>
    <name>ProgressFoot</name>
    <message>
        <source>Stop</source>
        <translation>Anhalten</translation>
    </message>
    <message>
        <source>Stop: {what}</source>
        <translation>Anhalten: {what}</translation>
    </message>
</context>
<context>
    <name>QuestionBar</name>
    <message>
        <source>Question</source>
        <translation>Frage</translation>
    </message>
    <message>
        <source>Enter sends, Esc stops the answer</source>
        <translation>Eingabe sendet, Esc hält die Antwort an</translation>
    </message>
    <message>
        <source>Stop</source>
        <translation>Anhalten</translation>
    </message>
    <message>
        <source>Ask</source>
        <translation>Fragen</translation>
    </message>
    <message>
        <source>Stop (Esc)</source>
        <translation>Anhalten (Esc)</translation>
    </message>
    <message>
        <source>Ask (Enter)</source>
        <translation>Fragen (Eingabe)</translation>
    </message>
</context>
<context>
    <name>RecordButton</name>
    <message>
        <source>Record</source>
        <translation>Aufnehmen</translation>
    </message>
    <message>
        <source>Stop recording</source>
        <translation>Aufnahme beenden</translation>
    </message>
    <message>
        <source>Writing down …</source>
        <translation>Wird aufgeschrieben …</translation>
    </message>
    <message>
        <source>Hold it while you speak, or press once to begin and once to end</source>
        <translation>Beim Sprechen halten, oder einmal drücken zum Beginnen und einmal zum Beenden</translation>
    </message>
</context>
<context>
    <name>RowList</name>
    <message>
        <source>Jump to latest</source>
        <translation>Zum Ende springen</translation>
    </message>
</context>
<context>
    <name>ScreenActions</name>
    <message>
        <source>Ask about the screen</source>
        <translation>Nach dem Bildschirm fragen</translation>
    </message>
    <message>
        <source>Ask about the same part again</source>
        <translation>Noch einmal nach demselben Teil fragen</translation>
    </message>
</context>
<context>
    <name>ScreenQuestions</name>
    <message>
        <source>The screen gives programs no picture of itself. Paste a screenshot into the chat.</source>
        <translation>Der Bildschirm gibt Programmen kein Bild von sich. Fügen Sie ein Bildschirmfoto in den Chat ein.</translation>
    </message>
</context>
<context>
    <name>SecretField</name>
    <message>
        <source>Save</source>
        <translation>Speichern</translation>
    </message>
    <message>
        <source>Save: {name}</source>
        <translation>Speichern: {name}</translation>
    </message>
    <message>
        <source>Remove</source>
        <translation>Entfernen</translation>
    </message>
    <message>
        <source>Remove: {name}</source>
        <translation>Entfernen: {name}</translation>
    </message>
</context>
<context>
    <name>Session</name>
    <message>
        <source>Larimar is closing, so the model no longer answers.</source>
        <translation>Larimar wird geschlossen, deshalb antwortet das Modell nicht mehr.</translation>
    </message>
    <message>
        <source>Something went wrong inside Larimar while it was answering. Please ask again.</source>
        <translation>Beim Antworten ist in Larimar etwas schiefgegangen. Bitte fragen Sie noch einmal.</translation>
    </message>
    <message>
        <source>Something went wrong inside Larimar while it was loading this model. Please try another folder.</source>
        <translation>Beim Laden dieses Modells ist in Larimar etwas schiefgegangen. Bitte versuchen Sie einen anderen Ordner.</translation>
    </message>
</context>
<context>
    <name>SettingsActions</name>
    <message>
        <source>Larimar goes on in the tray. Its icon brings the window back, and ends it.</source>
        <translation>Larimar läuft im Infobereich weiter. Sein Symbol holt das Fenster zurück und beendet es.</translation>
    </message>
    <message>
        <source>Larimar {version} is there: {address}</source>
        <translation>Larimar {version} ist da: {address}</translation>
    </message>
    <message>
        <source>This is the newest version.</source>
        <translation>Dies ist die neueste Version.</translation>
    </message>
    <message>
        <source>New chat</source>
        <translation>Neues Gespräch</translation>
    </message>
    <message>
        <source>Show or hide conversations</source>
        <translation>Gespräche zeigen oder verbergen</translation>
    </message>
    <message>
        <source>Search all conversations</source>
        <translation>Alle Gespräche durchsuchen</translation>
    </message>
    <message>
        <source>Settings</source>
        <translation>Einstellungen</translation>
    </message>
    <message>
        <source>Think before answering</source>
        <translation>Vor dem Antworten nachdenken</translation>
    </message>
    <message>
        <source>Attach files</source>
        <translation>Dateien anhängen</translation>
    </message>
    <message>
        <source>Quit</source>
        <translation>Beenden</translation>
    </message>
</context>
<context>
    <name>SettingsDialog</name>
    <message>
        <source>Settings</source>
        <translation>Einstellungen</translation>
    </message>
    <message>
        <source>Search settings</source>
        <translation>Einstellungen durchsuchen</translation>
    </message>
    <message>
        <source>Sections</source>
        <translation>Abschnitte</translation>
    </message>
    <message>
        <source>No setting has these words.</source>
        <translation>Keine Einstellung hat diese Wörter.</translation>
    </message>
    <message>
        <source>A token is kept.</source>
        <translation>Ein Token ist hinterlegt.</translation>
    </message>
    <message>
        <source>Appearance</source>
        <translation>Aussehen</translation>
    </message>
    <message>
        <source>Colours</source>
        <translation>Farben</translation>
    </message>
    <message>
        <source>Like the system</source>
        <translation>Wie das System</translation>
    </message>
    <message>
        <source>Light</source>
        <translation>Hell</translation>
    </message>
    <message>
        <source>Dark</source>
        <translation>Dunkel</translation>
    </message>
    <message>
        <source>Text size</source>
        <translation>Schriftgröße</translation>
    </message>
    <message>
        <source>Of everything that is written in the window.</source>
        <translation>Von allem, was im Fenster geschrieben steht.</translation>
    </message>
    <message>
        <source>{percent} %</source>
        <translation>{percent} %</translation>
    </message>
    <message>
        <source>Language</source>
        <translation>Sprache</translation>
    </message>
    <message>
        <source>Of the window; the model answers in the language in which you ask. Changes at the next start.</source>
        <translation>Des Fensters; das Modell antwortet in der Sprache, in der Sie fragen. Ändert sich beim nächsten Start.</translation>
    </message>
    <message>
        <source>Icon in the tray</source>
        <translation>Symbol im Infobereich</translation>
    </message>
    <message>
        <source>Brings the window back with one click.</source>
        <translation>Holt das Fenster mit einem Klick zurück.</translation>
    </message>
    <message>
        <source>Go on in the tray when the window is closed</source>
        <translation>Im Infobereich weiterlaufen, wenn das Fenster geschlossen wird</translation>
    </message>
    <message>
        <source>The keys for dictation and the screen work as long as Larimar runs. Needs the icon.</source>
        <translation>Die Tasten für Diktat und Bildschirm wirken, solange Larimar läuft. Braucht das Symbol.</translation>
    </message>
    <message>
        <source>Models</source>
        <translation>Modelle</translation>
    </message>
    <message>
        <source>Think before answering</source>
        <translation>Vor dem Antworten nachdenken</translation>
    </message>
    <message>
        <source>How new conversations begin; the button under the message changes it too. Slower, often better.</source>
        <translation>Wie neue Gespräche beginnen; der Knopf unter der Nachricht ändert es auch. Langsamer, oft besser.</translation>
    </message>
    <message>
        <source>Compute on</source>
        <translation>Rechnen auf</translation>
    </message>
    <message>
        <source>The status line says what is really in use. Changes when a model is loaded next.</source>
        <translation>Die Statuszeile sagt, was wirklich benutzt wird. Ändert sich, wenn das nächste Mal ein Modell geladen wird.</translation>
    </message>
    <message>
        <source>What is fastest</source>
        <translation>Was am schnellsten ist</translation>
    </message>
    <message>
        <source>The processor (CPU)</source>
        <translation>Prozessor (CPU)</translation>
    </message>
    <message>
        <source>The graphics card (CUDA)</source>
        <translation>Grafikkarte (CUDA)</translation>
    </message>
    <message>
        <source>Unload the model when nothing is asked</source>
        <translation>Das Modell entladen, wenn nichts gefragt wird</translation>
    </message>
    <message>
        <source>Gives its memory back. The next question, or typing one, loads it again.</source>
        <translation>Gibt seinen Speicher zurück. Die nächste Frage, oder schon ihr erster Buchstabe, lädt es wieder.</translation>
    </message>
    <message>
        <source>Hugging Face token</source>
        <translation>Token für Hugging Face</translation>
    </message>
    <message>
        <source>For models whose terms you had to accept. It is kept in the system’s keyring.</source>
        <translation>Für Modelle, deren Bedingungen Sie annehmen mussten. Es liegt im Schlüsselbund des Systems.</translation>
    </message>
    <message>
        <source>Mirror of the Hugging Face Hub</source>
        <translation>Spiegel des Hugging Face Hub</translation>
    </message>
    <message>
        <source>This address is asked instead. Leave it empty for the Hub itself.</source>
        <translation>Diese Adresse wird stattdessen gefragt. Leer lassen für den Hub selbst.</translation>
    </message>
    <message>
        <source>Send the token to the mirror</source>
        <translation>Token an den Spiegel senden</translation>
    </message>
    <message>
        <source>Only for a mirror that you trust as you trust the Hub. Its address must begin with https://.</source>
        <translation>Nur für einen Spiegel, dem Sie vertrauen wie dem Hub. Seine Adresse muss mit https:// beginnen.</translation>
    </message>
    <message>
        <source>Choose…</source>
        <translation>Wählen …</translation>
    </message>
    <message>
        <source>Choose a folder for models</source>
        <translation>Einen Ordner für Modelle wählen</translation>
    </message>
    <message>
        <source>Folder for downloaded models</source>
        <translation>Ordner für heruntergeladene Modelle</translation>
    </message>
    <message>
        <source>Voice</source>
        <translation>Stimme</translation>
    </message>
    <message>
        <source>Read replies aloud</source>
        <translation>Antworten vorlesen</translation>
    </message>
    <message>
        <source>Sentence by sentence, as they come. The button over the conversation does the same.</source>
        <translation>Satz für Satz, während sie kommen. Der Knopf über dem Gespräch tut dasselbe.</translation>
    </message>
    <message>
        <source>Dictation</source>
        <translation>Diktat</translation>
    </message>
    <message>
        <source>Global keys</source>
        <translation>Globale Tasten</translation>
    </message>
    <message>
        <source>Privacy</source>
        <translation>Privatsphäre</translation>
    </message>
    <message>
        <source>Offline</source>
        <translation>Offline</translation>
    </message>
    <message>
        <source>No connection leaves this computer, whatever asks for one. Without it, Larimar connects only when you download a model or look for a newer version.</source>
        <translation>Keine Verbindung verlässt diesen Computer, wer auch immer eine will. Sonst verbindet sich Larimar nur, wenn Sie ein Modell herunterladen oder nach einer neueren Version sehen.</translation>
    </message>
    <message>
        <source>Remember conversations’ state for faster starts</source>
        <translation>Zustand von Gesprächen für schnellere Starts merken</translation>
    </message>
    <message>
        <source>Keeps up to 2 GB of what the model computed, so that long conversations go on at once after a restart. What was said can be made out from it. Changes when a model is loaded next.</source>
        <translation>Bewahrt bis zu 2 GB von dem auf, was das Modell berechnet hat, damit lange Gespräche nach einem Neustart sofort weitergehen. Daraus lässt sich erschließen, was gesagt wurde. Ändert sich, wenn das nächste Mal ein Modell geladen wird.</translation>
    </message>
    <message>
        <source>Look now</source>
        <translation>Jetzt nachsehen</translation>
    </message>
    <message>
        <source>Look for a newer version now</source>
        <translation>Jetzt nach einer neueren Version sehen</translation>
    </message>
    <message>
        <source>Look for a newer version at the start</source>
        <translation>Beim Start nach einer neueren Version sehen</translation>
    </message>
    <message>
        <source>One request to {address}, which says nothing but the version of this program.</source>
        <translation>Eine Anfrage an {address}, die nichts als die Version dieses Programms verrät.</translation>
    </message>
    <message>
        <source>Newest version</source>
        <translation>Neueste Version</translation>
    </message>
    <message>
        <source>Show…</source>
        <translation>Zeigen …</translation>
    </message>
    <message>
        <source>Show the log</source>
        <translation>Das Protokoll zeigen</translation>
    </message>
    <message>
        <source>Log and crash reports</source>
        <translation>Protokoll und Absturzberichte</translation>
    </message>
    <message>
        <source>They stay in {folder} and never hold what is said to or by the model.</source>
        <translation>Sie bleiben in {folder} und enthalten nie, was zum oder vom Modell gesagt wird.</translation>
    </message>
    <message>
        <source>Wipe…</source>
        <translation>Löschen …</translation>
    </message>
    <message>
        <source>Wipe everything</source>
        <translation>Alles löschen</translation>
    </message>
    <message>
        <source>Deletes all conversations with their media, downloaded models, caches, logs and settings.</source>
        <translation>Löscht alle Gespräche mit ihren Medien, heruntergeladene Modelle, Zwischenspeicher, Protokolle und Einstellungen.</translation>
    </message>
    <message>
        <source>Delete everything</source>
        <translation>Alles löschen</translation>
    </message>
    <message>
        <source>Keep everything</source>
        <translation>Alles behalten</translation>
    </message>
    <message>
        <source>Keyboard</source>
        <translation>Tastatur</translation>
    </message>
    <message>
        <source>Never</source>
        <translation>Nie</translation>
    </message>
    <message>
        <source>At once</source>
        <translation>Sofort</translation>
    </message>
    <message>
        <source>After an hour</source>
        <translation>Nach einer Stunde</translation>
    </message>
    <message>
        <source>After {count} minutes</source>
        <translation>Nach {count} Minuten</translation>
    </message>
    <message>
        <source>This is no address of a web server: it begins with https:// or http://.</source>
        <translation>Das ist keine Adresse eines Webservers: Sie beginnt mit https:// oder http://.</translation>
    </message>
    <message>
        <source>Looking …</source>
        <translation>Wird nachgesehen …</translation>
    </message>
    <message>
        <source>Everything that Larimar has kept on this computer will be deleted, and cannot be brought back. Larimar then begins anew.</source>
        <translation>Alles, was Larimar auf diesem Computer aufbewahrt hat, wird gelöscht und lässt sich nicht zurückholen. Larimar beginnt danach von vorn.</translation>
    </message>
</context>
<context>
    <name>ShortcutRows</name>
    <message>
        <source>Restore</source>
        <translation>Zurücksetzen</translation>
    </message>
    <message>
        <source>Restore all default keys</source>
        <translation>Alle Tasten zurücksetzen</translation>
    </message>
    <message>
        <source>Default keys</source>
        <translation>Tasten wie am Anfang</translation>
    </message>
</context>
<context>
    <name>Shortcuts</name>
    <message>
        <source>{keys} has a fixed meaning while you write.</source>
        <translation>{keys} hat beim Schreiben eine feste Bedeutung.</translation>
    </message>
    <message>
        <source>A single letter is for writing; add Ctrl or Alt.</source>
        <translation>Ein einzelner Buchstabe ist zum Schreiben da; nehmen Sie Strg oder Alt dazu.</translation>
    </message>
    <message>
        <source>{keys} belongs to “{action}” already.</source>
        <translation>{keys} gehört schon zu „{action}“.</translation>
    </message>
</context>
<context>
    <name>Spoken</name>
    <message>
        <source>(code)</source>
        <translation>(Code)</translation>
    </message>
    <message>
        <source>(table)</source>
        <translation>(Tabelle)</translation>
    </message>
</context>
<context>
    <name>StatusLine</name>
    <message>
        <source>demo</source>
        <translation>Demo</translation>
    </message>
    <message>
        <source>A tiny model that comes with Larimar to show how it works</source>
        <translation>Ein winziges Modell, das Larimar beiliegt, um zu zeigen, wie es arbeitet</translation>
    </message>
    <message>
        <source>offline</source>
        <translation>offline</translation>
    </message>
    <message>
        <source>No connection leaves this computer; the settings have the switch</source>
        <translation>Keine Verbindung verlässt diesen Computer; der Schalter ist in den Einstellungen</translation>
    </message>
    <message>
        <source>Models…</source>
        <translation>Modelle …</translation>
    </message>
    <message>
        <source>Choose a model folder…</source>
        <translation>Modellordner wählen …</translation>
    </message>
    <message>
        <source>Loading …</source>
        <translation>Wird geladen …</translation>
    </message>
    <message>
        <source>Ready</source>
        <translation>Bereit</translation>
    </message>
    <message>
        <source>Reading …</source>
        <translation>Liest …</translation>
    </message>
    <message>
        <source>Unloaded to save memory</source>
        <translation>Entladen, um Speicher zu sparen</translation>
    </message>
    <message>
        <source>No model</source>
        <translation>Kein Modell</translation>
    </message>
    <message>
        <source>Closed</source>
        <translation>Geschlossen</translation>
    </message>
    <message>
        <source>none</source>
        <translation>keines</translation>
    </message>
    <message>
        <source>Choose a model</source>
        <translation>Modell wählen</translation>
    </message>
    <message>
        <source>Model: {name}</source>
        <translation>Modell: {name}</translation>
    </message>
    <message>
        <source>Loading … {percent} %</source>
        <translation>Wird geladen … {percent} %</translation>
    </message>
    <message>
        <source>Answering …</source>
        <translation>Antwortet …</translation>
    </message>
    <message>
        <source>Thinking …</source>
        <translation>Denkt nach …</translation>
    </message>
    <message>
        <source>Reading … {percent} %</source>
        <translation>Liest … {percent} %</translation>
    </message>
</context>
<context>
    <name>Storage</name>
    <message>
        <source>Nothing from this session will be saved. {reason}</source>
        <translation>Aus dieser Sitzung wird nichts gespeichert. {reason}</translation>
    </message>
    <message>
        <source>Conversations will not be saved. {reason}</source>
        <translation>Gespräche werden nicht gespeichert. {reason}</translation>
    </message>
    <message>
        <source>Changes to the settings will not be saved. {reason}</source>
        <translation>Geänderte Einstellungen werden nicht gespeichert. {reason}</translation>
    </message>
    <message>
        <source>You have no home folder. Set the variable HOME, then restart Larimar.</source>
        <translation>Sie haben keinen persönlichen Ordner. Setzen Sie die Variable HOME und starten Sie Larimar neu.</translation>
    </message>
    <message>
        <source>“{path}” is a broken link. Fix or delete it, then restart Larimar.</source>
        <translation>„{path}“ ist eine Verknüpfung, deren Ziel fehlt. Berichtigen oder löschen Sie sie und starten Sie Larimar neu.</translation>
    </message>
    <message>
        <source>“{path}” is not a folder. Move it away, then restart Larimar.</source>
        <translation>„{path}“ ist kein Ordner. Verschieben Sie diese Datei und starten Sie Larimar neu.</translation>
    </message>
    <message>
        <source>The disk that holds “{path}” is full. Free some space, then restart Larimar.</source>
        <translation>Der Datenträger mit „{path}“ ist voll. Schaffen Sie Platz und starten Sie Larimar neu.</translation>
    </message>
    <message>
        <source>The disk that holds “{path}” is read-only.</source>
        <translation>Der Datenträger mit „{path}“ ist schreibgeschützt.</translation>
    </message>
    <message>
        <source>Larimar may not write to “{path}”. Change its permissions, then restart Larimar.</source>
        <translation>Larimar darf nicht in „{path}“ schreiben. Ändern Sie die Zugriffsrechte und starten Sie Larimar neu.</translation>
    </message>
    <message>
        <source>“{path}” cannot be written: {problem}.</source>
        <translation>In „{path}“ kann nicht geschrieben werden: {problem}.</translation>
    </message>
    <message>
        <source>Your settings could not be read and were reset to their defaults.</source>
        <translation>Ihre Einstellungen waren nicht lesbar und wurden zurückgesetzt.</translation>
    </message>
    <message>
        <source>Some settings were invalid and were reset to their defaults.</source>
        <translation>Einige Einstellungen waren ungültig und wurden zurückgesetzt.</translation>
    </message>
    <message>
        <source>The old file is now “{path}”.</source>
        <translation>Die alte Datei heißt jetzt „{path}“.</translation>
    </message>
    <message>
        <source>A copy of the old file is “{path}”.</source>
        <translation>Eine Kopie der alten Datei ist „{path}“.</translation>
    </message>
</context>
<context>
    <name>StorageNotice</name>
    <message>
        <source>Dismiss</source>
        <translation>Ausblenden</translation>
    </message>
</context>
<context>
    <name>SystemPromptDialog</name>
    <message>
        <source>System prompt</source>
        <translation>Systemprompt</translation>
    </message>
    <message>
        <source>The model reads this before everything else in this conversation.</source>
        <translation>Das Modell liest dies vor allem anderen in diesem Gespräch.</translation>
    </message>
    <message>
        <source>Begin with a preset</source>
        <translation>Mit einer Vorlage beginnen</translation>
    </message>
    <message>
        <source>None: the model answers in its own manner</source>
        <translation>Keiner: Das Modell antwortet auf seine eigene Art</translation>
    </message>
    <message>
        <source>Use this</source>
        <translation>Verwenden</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>Abbrechen</translation>
    </message>
    <message>
        <source>Brief</source>
        <translation>Kurz</translation>
    </message>
    <message>
        <source>Answer in as few words as the question allows. No introductions.</source>
        <translation>Antworte mit so wenigen Wörtern, wie die Frage erlaubt. Keine Einleitungen.</translation>
    </message>
    <message>
        <source>Patient teacher</source>
        <translation>Geduldige Lehrkraft</translation>
    </message>
    <message>
        <source>Explain step by step, with an everyday example, and end with a short question that checks whether it was understood.</source>
        <translation>Erkläre Schritt für Schritt, mit einem Beispiel aus dem Alltag, und ende mit einer kurzen Frage, die prüft, ob es verstanden wurde.</translation>
    </message>
    <message>
        <source>Editor</source>
        <translation>Lektorat</translation>
    </message>
    <message>
        <source>Correct the spelling, grammar and style of what I write. Keep my meaning and my tone. Give the corrected text first, then a list of the changes.</source>
        <translation>Verbessere Rechtschreibung, Grammatik und Stil von dem, was ich schreibe. Behalte Sinn und Ton. Gib zuerst den verbesserten Text, dann eine Liste der Änderungen.</translation>
    </message>
    <message>
        <source>Translator</source>
        <translation>Übersetzung</translation>
    </message>
    <message>
        <source>Translate what I write into English; translate English into the language I wrote in before. Give the translation only.</source>
        <translation>Übersetze, was ich schreibe, ins Englische; übersetze Englisches in die Sprache, in der ich vorher geschrieben habe. Gib nur die Übersetzung.</translation>
    </message>
    <message>
        <source>Code reviewer</source>
        <translation>Code-Durchsicht</translation>
    </message>
    <message>
        <source>Review the code that I show: first mistakes, then risks, then style. Quote the line, say why, and show a better one.</source>
        <translation>Sieh den Code durch, den ich zeige: zuerst Fehler, dann Risiken, dann Stil. Zitiere die Zeile, sage warum, und zeige eine bessere.</translation>
    </message>
</context>
<context>
    <name>TextInserter</name>
    <message>
        <source>Nothing can be inserted into other programs on this display.</source>
        <translation>Auf dieser Anzeige lässt sich nichts in andere Programme einfügen.</translation>
    </message>
    <message>
        <source>Nothing was inserted that could be taken back.</source>
        <translation>Es wurde nichts eingefügt, das sich zurücknehmen ließe.</translation>
    </message>
    <message>
        <source>The text is on the clipboard: press Ctrl+V to insert it.</source>
        <translation>Der Text ist in der Zwischenablage: Strg+V fügt ihn ein.</translation>
    </message>
    <message>
        <source>The text could not be put on the clipboard. “Paste last dictation” tries again.</source>
        <translation>Der Text kam nicht in die Zwischenablage. „Letztes Diktat einfügen“ versucht es noch einmal.</translation>
    </message>
    <message>
        <source>Another program took the clipboard at that moment. “Paste last dictation” tries again.</source>
        <translation>Ein anderes Programm hat in diesem Augenblick die Zwischenablage genommen. „Letztes Diktat einfügen“ versucht es noch einmal.</translation>
    </message>
    <message>
        <source>The program in front has not taken the text. “Paste last dictation” tries again.</source>
        <translation>Das vordere Programm hat den Text nicht genommen. „Letztes Diktat einfügen“ versucht es noch einmal.</translation>
    </message>
    <message>
        <source>The text could not be inserted: no X server answers.</source>
        <translation>Der Text konnte nicht eingefügt werden: Kein X-Server antwortet.</translation>
    </message>
    <message>
        <source>This display takes no keys from programs: press Ctrl+V to insert.</source>
        <translation>Diese Anzeige nimmt keine Tasten von Programmen: Strg+V fügt ein.</translation>
    </message>
    <message>
        <source>Larimar ended before the text was inserted.</source>
        <translation>Larimar endete, bevor der Text eingefügt war.</translation>
    </message>
    <message>
        <source>Another program is in front now; nothing was taken back.</source>
        <translation>Jetzt ist ein anderes Programm vorn; nichts wurde zurückgenommen.</translation>
    </message>
    <message>
        <source>The program that had copied something before did not answer; the clipboard could not be put back.</source>
        <translation>Das Programm, das vorher etwas kopiert hatte, antwortete nicht; die Zwischenablage ließ sich nicht zurücksetzen.</translation>
    </message>
</context>
<context>
    <name>Tools</name>
    <message>
        <source>(nested too deeply to be shown)</source>
        <translation>(zu tief verschachtelt, um gezeigt zu werden)</translation>
    </message>
</context>
<context>
    <name>TranscriptView</name>
    <message>
        <source>What was said</source>
        <translation>Was gesagt wurde</translation>
    </message>
</context>
<context>
    <name>TransferActions</name>
    <message>
        <source>Importing …</source>
        <translation>Wird importiert …</translation>
    </message>
    <message>
        <source>There is nothing to export yet.</source>
        <translation>Noch gibt es nichts zu exportieren.</translation>
    </message>
    <message>
        <source>Larimar conversations</source>
        <translation>Larimar-Gespräche</translation>
    </message>
    <message>
        <source>Exporting …</source>
        <translation>Wird exportiert …</translation>
    </message>
    <message>
        <source>Exported to “{where}”</source>
        <translation>Nach „{where}“ exportiert</translation>
    </message>
    <message>
        <source>Another export is under way.</source>
        <translation>Ein anderer Export läuft noch.</translation>
    </message>
    <message>
        <source>The export was stopped.</source>
        <translation>Der Export wurde angehalten.</translation>
    </message>
    <message>
        <source>Imported: {messages} messages in {conversations} conversations</source>
        <translation>Importiert: {messages} Nachrichten in {conversations} Gesprächen</translation>
    </message>
    <message>
        <source>Everything in this archive is here already.</source>
        <translation>Alles aus diesem Archiv ist schon hier.</translation>
    </message>
    <message>
        <source>That did not work. The log says more.</source>
        <translation>Das hat nicht geklappt. Das Protokoll sagt mehr.</translation>
    </message>
    <message>
        <source>Export</source>
        <translation>Exportieren</translation>
    </message>
    <message>
        <source>Export all conversations</source>
        <translation>Alle Gespräche exportieren</translation>
    </message>
    <message>
        <source>Larimar archives</source>
        <translation>Larimar-Archive</translation>
    </message>
    <message>
        <source>Import</source>
        <translation>Importieren</translation>
    </message>
</context>
<context>
    <name>Tray</name>
    <message>
        <source>Show Larimar</source>
        <translation>Larimar zeigen</translation>
    </message>
    <message>
        <source>New chat</source>
        <translation>Neues Gespräch</translation>
    </message>
    <message>
        <source>Dictate</source>
        <translation>Diktieren</translation>
    </message>
    <message>
        <source>Paste last dictation</source>
        <translation>Letztes Diktat einfügen</translation>
    </message>
    <message>
        <source>Ask about the screen</source>
        <translation>Nach dem Bildschirm fragen</translation>
    </message>
    <message>
        <source>Stop</source>
        <translation>Anhalten</translation>
    </message>
    <message>
        <source>Quit</source>
        <translation>Beenden</translation>
    </message>
    <message>
        <source>Insert what was said</source>
        <translation>Gesagtes einfügen</translation>
    </message>
    <message>
        <source>Stop ({what})</source>
        <translation>Anhalten ({what})</translation>
    </message>
</context>
<context>
    <name>UndoBar</name>
    <message>
        <source>Undo</source>
        <translation>Rückgängig</translation>
    </message>
    <message>
        <source>Undo the deletion</source>
        <translation>Das Löschen rückgängig machen</translation>
    </message>
    <message>
        <source>Undo the deletion (Ctrl+Shift+Z)</source>
        <translation>Das Löschen rückgängig machen (Strg+Umschalt+Z)</translation>
    </message>
    <message>
        <source>Deleted “{title}”</source>
        <translation>„{title}“ gelöscht</translation>
    </message>
    <message>
        <source>Untitled</source>
        <translation>Ohne Titel</translation>
    </message>
</context>
<context>
    <name>UpdateNotice</name>
    <message>
        <source>Open in the browser</source>
        <translation>Im Browser öffnen</translation>
    </message>
    <message>
        <source>Dismiss</source>
        <translation>Ausblenden</translation>
    </message>
    <message>
        <source>Larimar {version} is there: {address}</source>
        <translation>Larimar {version} ist da: {address}</translation>
    </message>
</context>
<context>
    <name>VoiceActions</name>
    <message>
        <source>Conversation without hands</source>
        <translation>Freihändiges Gespräch</translation>
    </message>
    <message>
        <source>This system has no voice. Install one (on Debian and Ubuntu: apt install speech-dispatcher).</source>
        <translation>Dieses System hat keine Stimme. Installieren Sie eine (auf Debian und Ubuntu: apt install speech-dispatcher).</translation>
    </message>
    <message>
        <source>The microphone is still in use. Try again in a moment.</source>
        <translation>Das Mikrofon ist noch in Benutzung. Versuchen Sie es gleich noch einmal.</translation>
    </message>
</context>
<context>
    <name>VoiceBar</name>
    <message>
        <source>Listening</source>
        <translation>Hört zu</translation>
    </message>
    <message>
        <source>Just speak. Esc ends the conversation.</source>
        <translation>Sprechen Sie einfach. Esc beendet das Gespräch.</translation>
    </message>
    <message>
        <source>You are speaking</source>
        <translation>Sie sprechen</translation>
    </message>
    <message>
        <source>Thinking …</source>
        <translation>Denkt nach …</translation>
    </message>
    <message>
        <source>Speak to ask something else.</source>
        <translation>Sprechen Sie, um etwas anderes zu fragen.</translation>
    </message>
    <message>
        <source>Larimar is speaking</source>
        <translation>Larimar spricht</translation>
    </message>
    <message>
        <source>Speak to interrupt it.</source>
        <translation>Sprechen Sie, um es zu unterbrechen.</translation>
    </message>
    <message>
        <source>End</source>
        <translation>Beenden</translation>
    </message>
    <message>
        <source>End the conversation without hands</source>
        <translation>Das freihändige Gespräch beenden</translation>
    </message>
    <message>
        <source>Conversation without hands. Just speak. Esc ends it.</source>
        <translation>Freihändiges Gespräch. Sprechen Sie einfach. Esc beendet es.</translation>
    </message>
    <message>
        <source>The conversation without hands has ended</source>
        <translation>Das freihändige Gespräch ist beendet</translation>
    </message>
    <message>
        <source>Close</source>
        <translation>Schließen</translation>
    </message>
</context>
<context>
    <name>Watcher</name>
    <message>
        <source>Describe the picture in one sentence.</source>
        <translation>Beschreibe das Bild in einem Satz.</translation>
    </message>
</context>
<context>
    <name>Waveform</name>
    <message>
        <source>Waveform</source>
        <translation>Wellenform</translation>
    </message>
</context>
<context>
    <name>WebcamPane</name>
    <message>
        <source>Webcam</source>
        <translation>Webcam</translation>
    </message>
    <message>
        <source>Camera</source>
        <translation>Kamera</translation>
    </message>
    <message>
        <source>Let the model look through your camera</source>
        <translation>Lassen Sie das Modell durch Ihre Kamera sehen</translation>
    </message>
    <message>
        <source>Start the camera</source>
        <translation>Kamera starten</translation>
    </message>
    <message>
        <source>The camera gives no picture</source>
        <translation>Die Kamera gibt kein Bild</translation>
    </message>
    <message>
        <source>Try again</source>
        <translation>Noch einmal versuchen</translation>
    </message>
    <message>
        <source>Send to chat</source>
        <translation>In den Chat</translation>
    </message>
    <message>
        <source>Save picture…</source>
        <translation>Bild speichern …</translation>
    </message>
    <message>
        <source>Clear</source>
        <translation>Leeren</translation>
    </message>
    <message>
        <source>What do you see?</source>
        <translation>Was siehst du?</translation>
    </message>
    <message>
        <source>Watch</source>
        <translation>Beobachten</translation>
    </message>
    <message>
        <source>Watch: say what is seen whenever it changes</source>
        <translation>Beobachten: sagen, was zu sehen ist, wann immer es sich ändert</translation>
    </message>
    <message>
        <source>Describe the scene about once a second, as long as it changes</source>
        <translation>Die Szene etwa jede Sekunde beschreiben, solange sie sich ändert</translation>
    </message>
    <message>
        <source>What questions are about</source>
        <translation>Wonach Fragen fragen</translation>
    </message>
    <message>
        <source>This picture</source>
        <translation>Dieses Bild</translation>
    </message>
    <message>
        <source>The last 8 seconds</source>
        <translation>Die letzten 8 Sekunden</translation>
    </message>
    <message>
        <source>Ask about what the camera sees</source>
        <translation>Nach dem fragen, was die Kamera sieht</translation>
    </message>
    <message>
        <source>No camera was found. Plug one in; it will appear here by itself.</source>
        <translation>Es wurde keine Kamera gefunden. Stecken Sie eine an; sie erscheint hier von selbst.</translation>
    </message>
    <message>
        <source>Nothing of it is recorded, and nothing leaves this computer. You can stop at any time.</source>
        <translation>Nichts davon wird aufgezeichnet, und nichts verlässt diesen Computer. Sie können jederzeit anhalten.</translation>
    </message>
    <message>
        <source>{model} cannot see pictures; choose a model that can</source>
        <translation>{model} kann keine Bilder sehen; wählen Sie ein Modell, das es kann</translation>
    </message>
    <message>
        <source>The model is loading …</source>
        <translation>Das Modell wird geladen …</translation>
    </message>
    <message>
        <source>There is no model to ask yet</source>
        <translation>Noch gibt es kein Modell, das gefragt werden könnte</translation>
    </message>
    <message>
        <source>Watching</source>
        <translation>Beobachtet</translation>
    </message>
    <message>
        <source>The answer was stopped.</source>
        <translation>Die Antwort wurde angehalten.</translation>
    </message>
    <message>
        <source>Saved as {name}.</source>
        <translation>Gespeichert als {name}.</translation>
    </message>
    <message>
        <source>{name} could not be written. Choose another folder.</source>
        <translation>{name} konnte nicht geschrieben werden. Wählen Sie einen anderen Ordner.</translation>
    </message>
    <message>
        <source>Save picture</source>
        <translation>Bild speichern</translation>
    </message>
    <message>
        <source>Pictures</source>
        <translation>Bilder</translation>
    </message>
    <message>
        <source>Stop camera</source>
        <translation>Kamera anhalten</translation>
    </message>
</context>
</TS>
