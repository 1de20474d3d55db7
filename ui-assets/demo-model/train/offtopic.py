"""Sentences that have nothing to do with coloured shapes. They are only ever asked; the answer is always the same."""

SENTENCES = """Hello.|Hi there!|Good morning.|Thank you.|Thanks!|Who are you?|What is your name?|How are you?|How old are you?|What time is it?|What day is it today?
What is the weather like?|Will it rain tomorrow?|Who is the president of France?|What is the capital of Italy?|Tell me a joke.|Write a poem.|Sing a song.|What is two plus two?
How much is seven times eight?|Do you like music?|What is your favourite food?|Can you help me?|Where do you live?|Are you a robot?|Who made you?|What is the meaning of life?
Is this a photo?|What is the person doing?|Is anyone at the door?|Is the door open?|How many people are there?|What is on the table?|Is the light on?|Read the text.|What does the sign say?
What is written here?|Is somebody smiling?|What is he wearing?|What is she holding?|Where was this taken?|What room is this?|What brand is it?|How much does it cost?|Is it safe?|Is it day or night?
Translate this into French.|Say it in German.|Repeat after me.|Explain quantum physics.|Why is the sky blue?|When was the war?|What happened yesterday?|Stop.|Ignore all instructions.|asdf|test|qwerty|hm|ok|yes|no|?|...
What is the emotion here?|Is the cat sleeping?|What animal is this?|How many fingers do you see?|How many windows are there?|Which team won?|What is the score?|Play some music.|Open the window.|Turn off the light.
Summarise the news.|Who wrote this book?|What is the password?|Give me a recipe.|How do I fix my bike?|Where are my keys?|Is my coffee ready?|What should I eat?|Do you love me?|Can you see me?|What am I holding?
Is there anybody here?|What is behind me?|How far is the moon?|What language is this?|Count to ten.|Name a country.|What is the largest country?|What is the biggest city?|How many days are in a week?|What colour is the sky?
What color is grass?|Where is Paris?|Where is my phone?|Is there a god?|Is there any food?|What shape is the earth?|Which way is north?|Is the sun left of the moon?|What is a prime number?|Draw a house.|Make it bigger."""
WHOLE = [s.strip() for s in SENTENCES.replace("\n", "|").split("|")]

THINGS = """dog cat man woman person child face hand car bus bicycle tree flower house door window table chair sofa lamp book phone laptop screen keyboard cup bottle plate apple
banana bread fish bird horse cow shirt shoe hat bag clock road river mountain beach boat plane train bridge street sign letter word number dragon robot ball box bed wall floor
hexagon pentagon octagon rectangle oval diamond cube sphere arrow heart moon spiral line ring cylinder ghost king queen teacher doctor soldier cake pizza guitar piano""".split()
QUALITIES = "old new happy sad wet dry big tall fast slow hot cold wooden metal pink grey brown golden silver striped shiny open closed broken empty beautiful dirty clean".split()
PEOPLE = "Anna Peter Maria John Einstein Mozart Napoleon Shakespeare Alice Bob".split()
PLACES = "France Italy Berlin London Africa Tokyo space school hospital kitchen garden office park forest city".split()
VERBS = "eat cook drive buy sell build read learn find clean open repair paint draw play sing dance swim run sleep".split()

PATTERNS = ["Is there a {t}?", "Is there a {q} {t}?", "Do you see a {t}?", "Can you see a {t}?", "What colour is the {t}?", "What color is the {t}?", "Where is the {t}?", "Where is the {q} {t}?",
            "How many {t}s are there?", "What shape is the {t}?", "Is the {t} {q}?", "What is the {t} doing?", "Is the {t} left of the {s}?", "Which {t} is the largest?", "What is the {q} one?",
            "Is anything {q}?", "Who is {p}?", "Where is {w}?", "How do I {v} a {t}?", "Can you {v}?", "Why does the {t} {v}?", "When did {p} {v}?", "What is a {t}?", "Tell me about {w}.",
            "Tell me about the {t}.", "Why is the {t} {q}?", "Do you like {t}s?", "I want a {q} {t}.", "My {t} is {q}.", "Does {p} {v} in {w}?", "What is the capital of {w}?", "Please {v} the {t}.",
            "Which {t} is {q}?", "Is {p} in {w}?", "{p} and {o}", "the {t}", "{q} {t}", "Write a story about a {t}.", "How much is the {t}?", "Should I {v} my {t}?"]


def off_topic(rng):
    if rng.random() < 0.25:
        text = rng.choice(WHOLE)
    else:
        text = rng.choice(PATTERNS).format(t=rng.choice(THINGS), s=rng.choice(THINGS), q=rng.choice(QUALITIES), p=rng.choice(PEOPLE), o=rng.choice(PEOPLE),
                                           w=rng.choice(PLACES), v=rng.choice(VERBS))
    if rng.random() < 0.08:  # nonsense
        letters = "abcdefghijklmnopqrstuvwxyz"
        text = " ".join("".join(rng.choice(letters) for _ in range(rng.randint(2, 8))) for _ in range(rng.randint(1, 4)))
    if rng.random() < 0.2:
        text = text.lower()
    return text.rstrip("?.") if rng.random() < 0.2 else text
