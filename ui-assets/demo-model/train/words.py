"""What the demo model reads and says: captions, questions in several wordings, and the one answer to anything else.

An object is a dict with `shape`, `color`, `size` and its centre `x`, `y` in shares of the picture, 0 to 1 from the top left.
Nothing here knows how a picture is drawn. The program's own scene speaks the same grammar (app/src/demo/words.rs).
"""
from offtopic import off_topic

COLORS = ["red", "orange", "yellow", "green", "blue", "purple", "white", "black"]
SHAPES = ["circle", "square", "triangle", "star", "cross"]
SIZES = ["small", "large"]
NUMBERS = ["None", "One", "Two", "Three", "Four"]
ONLY = "I only know coloured shapes."

# The places of a picture: thirds, a little narrower at the sides.
LOW, HIGH = 0.37, 0.63
# An object nearer than this to a line has two fair places; nobody is asked for it.
FAIR = 0.03
# Two objects nearer than this in x have no order from left to right.
APART = 0.06

PROMPTS = ["Describe this image in one sentence.", "Describe this image.", "Describe the image.", "What do you see?", "What is this?",
           "What is in this image?", "What is in the picture?", "Describe the scene.", "Can you describe this image?", "Caption this image.",
           "What can you see in this image?", "Describe what you see.", "What is here?", "Tell me what you see.", "Describe this picture.",
           "Describe the view.", "Write a caption for this image."]


def third(v, names):
    return names[0] if v < LOW else names[1] if v > HIGH else ""


def place(o):
    h, v = third(o["x"], ("left", "right")), third(o["y"], ("top", "bottom"))
    if h and v:
        return f"in the {v} {h}"
    return f"at the {v}" if v else f"on the {h}" if h else "in the centre"


def clear_place(o):
    return all(abs(o[k] - line) > FAIR for k in "xy" for line in (LOW, HIGH))


def article(word):
    return ("an " if word[0] in "aeiou" else "a ") + word


def full(o):
    return f"a {o['size']} {o['color']} {o['shape']}"


def sentence(text):
    return text[0].upper() + text[1:] + "."


def joined(parts):
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def plural(shape):
    return "crosses" if shape == "cross" else shape + "s"


def caption(objs):
    """One sentence naming every object from left to right, and where a lone one is. `objs` are sorted by x."""
    parts = [full(o) for o in objs]
    if not parts:
        return "An empty scene."
    if len(parts) == 1:
        return sentence(f"{parts[0]} {place(objs[0])}")
    if len(parts) == 2:
        return sentence(f"{parts[0]} on the left and {parts[1]} on the right")
    return f"From left to right: {joined(parts)}."


# A thing is what a question speaks of: any of shape, colour and size, as a dict.
def fits(o, thing):
    return all(o[k] == v for k, v in thing.items())


def adjectives(thing):
    return " ".join(thing[k] for k in ("size", "color") if k in thing)


def noun(thing, one=None):
    """`red circle`, `large circle`, `red shape`."""
    return f"{adjectives(thing)} {thing.get('shape', one or 'shape')}".strip()


def nouns(thing):
    return f"{adjectives(thing)} {plural(thing['shape']) if 'shape' in thing else 'shapes'}".strip()


def there_is_no(thing):
    return f"There is no {noun(thing)}."


def there_are(n, thing):
    return f"There are {NUMBERS[n].lower()} {nouns(thing)}."


def thing_of(o, rng, keys=None):
    keys = keys or rng.choices([("shape",), ("color",), ("color", "shape"), ("size", "shape"), ("size", "color", "shape")], [5, 4, 3, 1, 1])[0]
    return {k: o[k] for k in keys}


def any_thing(objs, rng, keys=None):
    """A thing that is there half the time, else one that differs in a word from one that is, or any at all."""
    luck = rng.random()
    blank = dict(shape=rng.choice(SHAPES), color=rng.choice(COLORS), size=rng.choice(SIZES))
    thing = thing_of(rng.choice(objs) if objs and luck < 0.85 else blank, rng, keys)
    if 0.5 < luck < 0.85:
        k = rng.choice(list(thing))
        thing[k] = blank[k]
    return thing


def count(objs, rng):
    if rng.random() < 0.5:
        q = rng.choice(["How many shapes are there?", "How many objects are there?", "How many objects do you see?", "Count the shapes.", "Count the objects.",
                        "How many shapes do you see?", "How many things are there?", "How many shapes are in the picture?"])
        return q, f"{NUMBERS[len(objs)]}."
    thing = any_thing(objs, rng, rng.choice([("shape",), ("shape",), ("color",), ("size",), ("color", "shape")]))
    q = rng.choice(["How many {} are there?", "How many {} do you see?", "Count the {}."]).format(nouns(thing))
    return q, f"{NUMBERS[sum(fits(o, thing) for o in objs)]}."


def color(objs, rng):
    thing = any_thing(objs, rng, rng.choice([("shape",), ("shape",), ("shape",), ("size", "shape")]))
    q = rng.choice(["What {c} is the {t}?", "What {c} is the {t}?", "Which {c} is the {t}?", "What is the {c} of the {t}?", "What's the {c} of the {t}?",
                    "Tell me the {c} of the {t}."]).format(c=rng.choice(["colour", "color"]), t=noun(thing))
    found = [o["color"] for o in objs if fits(o, thing)]
    return q, sentence(joined(found)) if found else there_is_no(thing)


def shape(objs, rng):
    thing = any_thing(objs, rng, rng.choice([("color",), ("color",), ("color",), ("size", "color")]))
    q = rng.choice(["What shape is the {a} one?", "What shape is the {a} object?", "Which shape is {a}?", "What shape is {a}?", "What is the {a} shape?",
                    "What is the {a} object?", "What is the shape of the {a} one?"]).format(a=adjectives(thing))
    found = [article(o["shape"]) for o in objs if fits(o, thing)]
    return q, sentence(joined(found)) if found else there_is_no(thing)


def where(objs, rng):
    thing = any_thing(objs, rng)
    q = rng.choice(["Where is the {}?", "Where is the {}?", "Where do you see the {}?", "In which part of the picture is the {}?", "Where's the {}?"]).format(noun(thing))
    found = [o for o in objs if fits(o, thing)]
    if len(found) == 1:
        return (q, sentence(place(found[0]))) if clear_place(found[0]) else None
    return q, there_are(len(found), thing) if found else there_is_no(thing)


def exists(objs, rng):
    thing = any_thing(objs, rng, rng.choice([("shape",), ("color",), ("color", "shape"), ("color", "shape"), ("size", "shape"), ("size", "color", "shape")]))
    if "shape" not in thing and rng.random() < 0.5:
        q = rng.choice(["Is there anything {}?", "Is anything {}?", "Do you see anything {}?"]).format(adjectives(thing))
    else:
        q = rng.choice(["Is there {}?", "Is there {}?", "Do you see {}?", "Can you see {}?", "Is there {} in the picture?"]).format(article(noun(thing)))
    return q, "Yes." if any(fits(o, thing) for o in objs) else "No."


def largest(objs, rng):
    large = [o for o in objs if o["size"] == "large"]
    q = rng.choice(["Which is the largest?", "Which shape is the largest?", "What is the largest shape?", "Which object is the largest?", "Which is the biggest?",
                    "What is the biggest shape?", "Which one is largest?", "What is the largest object?"])
    if not objs:
        return q, "There are no shapes."
    if len(objs) == 1 or len(large) == 1:
        return q, sentence("the " + noun({k: (large or objs)[0][k] for k in ("color", "shape")}))
    if len(large) in (0, len(objs)):
        return q, "They are the same size."
    return q, f"{NUMBERS[len(large)]} are large."


def beside(objs, rng):
    """Is one thing left or right of another, each the only one of its kind, or missing."""
    a, b = (any_thing(objs, rng) for _ in "ab")
    if objs and len(objs) > 1 and rng.random() < 0.85:
        a, b = (thing_of(o, rng) for o in rng.sample(objs, 2))
    fa, fb = ([o for o in objs if fits(o, t)] for t in (a, b))
    side = rng.choice(["left", "right"])
    q = rng.choice(["Is the {a} left of the {b}?", "Is the {a} {s} of the {b}?", "Is the {a} to the {s} of the {b}?"]).format(a=noun(a), b=noun(b), s=side)
    side = "left" if " left of" in q else "right"
    for found, thing in ((fa, a), (fb, b)):
        if not found:
            return q, there_is_no(thing)
    if len(fa) != 1 or len(fb) != 1 or fa[0] is fb[0] or abs(fa[0]["x"] - fb[0]["x"]) < APART:
        return None
    return q, "Yes." if (fa[0]["x"] < fb[0]["x"]) == (side == "left") else "No."


KINDS = dict(count=count, color=color, shape=shape, where=where, exists=exists, largest=largest, beside=beside)
WEIGHTS = dict(caption=2.0, count=0.8, color=1.4, shape=1.1, where=1.4, exists=1.2, largest=0.5, beside=1.6, off=0.5)


def worn(q, rng):
    """A question as people type it: sometimes without capitals or its mark."""
    if rng.random() < 0.12:
        q = q.lower()
    if rng.random() < 0.12:
        q = q.rstrip("?.")
    return q


def turns(objs, rng, n, world=True, shares=None):
    """`n` triples (kind, question, answer), the first always a caption. Of a picture of no such world nothing is known."""
    out = [("caption", rng.choice(PROMPTS) if rng.random() < 0.7 else PROMPTS[0], caption(objs))]
    kinds, weights = list(WEIGHTS), list((shares or WEIGHTS).values())
    weights[0] = 0.3
    while len(out) < n:
        kind = rng.choices(kinds, weights)[0]
        if kind == "caption":
            turn = worn(rng.choice(PROMPTS), rng), caption(objs)
        elif kind == "off":
            turn = off_topic(rng), ONLY
        else:
            turn = KINDS[kind](objs, rng)
        if turn and all(turn[0] != o[1] for o in out):
            out.append((kind, worn(turn[0], rng) if kind not in ("caption", "off") else turn[0], turn[1]))
    return out if world else [("off-world", q, ONLY) for _, q, _ in out]
