"""A language model of characters, measured against the grammar its words come from.

    python examples/characters.py [picture.png]

To learn: an embedding is a table of learnt vectors, one a character. A linear layer on one-hot
characters is such a table; from the vectors of the last four a hidden layer guesses the next one
(Bengio et al., "A neural probabilistic language model", JMLR 2003). The grammar has vowel harmony,
front and back vowels never mix, and since it is known, so is the loss that no model can beat.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

import tinygrad_mlp as tg

FRONT, BACK, CONSONANTS = "eiy", "aou", "ptkslmr"
LETTERS, CONTEXT = [*".n", *FRONT, *BACK, *CONSONANTS], 4  # the dot ends a word


def word_of_the_grammar(rng):
    """Syllables of a consonant, a vowel, perhaps an n; and log2 of the word's probability."""
    word, bits, vowels = "", np.log2(1 / 2), (FRONT, BACK)[rng.integers(2)]
    while not word or rng.uniform() < 0.6:
        bits += np.log2(0.6 if word else 1) + np.log2(1 / len(CONSONANTS) / len(vowels))
        coda = "n" if rng.uniform() < 0.3 else ""
        word += rng.choice([*CONSONANTS]) + rng.choice([*vowels]) + coda
        bits += np.log2(0.3 if coda else 0.7)
    return word + ".", bits + np.log2(0.4)


def windows(words):
    """For each character the four before it, and itself, as one-hot rows."""
    padded = ["." * CONTEXT + word for word, _ in words]
    seen = [[*w[i : i + CONTEXT + 1]] for w in padded for i in range(len(w) - CONTEXT)]
    rows = (np.array(seen)[..., None] == LETTERS).astype(float)
    return rows[:, :CONTEXT], rows[:, CONTEXT]


def write(model, rng):
    """A word, each character drawn from what the model expects after the last four."""
    text = "." * CONTEXT
    while len(text) == CONTEXT or (text[-1] != "." and len(text) < 40):
        (p,) = tg.softmax(tg.predict(model, windows([(text[-CONTEXT:] + ".", 0)])[0][-1:]))
        text += rng.choice(LETTERS, p=p)
    return text[CONTEXT:-1]


def main(picture: str = "characters.png") -> None:
    rng, n = np.random.default_rng(0), len(LETTERS)
    words, unseen = ([word_of_the_grammar(rng) for _ in range(size)] for size in (2000, 500))
    bound = -sum(bits for _, bits in unseen) / sum(len(word) for word, _ in unseen)
    model = tg.nn.Sequential(
        tg.nn.Linear(n, 2, bias=False, rng=rng), tg.nn.Flatten(),  # two numbers a character
        tg.nn.Linear(2 * CONTEXT, 64, rng=rng), tg.nn.Tanh(), tg.nn.Linear(64, n, rng=rng),
    )
    falling = tg.optim.schedule.cosine(0.01, 0.0, 15)  # the learning rate, over the epochs
    history = tg.fit(
        model, tg.nn.softmax_cross_entropy, tg.optim.Adam(model.parameters(), lr=falling),
        *windows(words), epochs=15, batch_size=100, rng=rng, validation=windows(unseen),
    )
    bits = np.array(history.validation_loss) / np.log(2)
    written = [write(model, rng) for _ in range(300)]
    mixed = [bool(set(word) & set(FRONT) and set(word) & set(BACK)) for word in written]
    print(f"bits a character: {np.log2(n):.3f} by guessing, {bits[-1]:.3f} by the network, "
          f"{bound:.3f} by the grammar\nit writes: {' '.join(written[:12])}\n"
          f"in {1 - np.mean(mixed):.1%} of 300 words front and back vowels do not mix")

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
    left.plot(np.arange(len(bits)) + 1, bits, "o-", color="#0072B2", label="network, new words")
    left.axhline(bound, color="black", linestyle="--", label="grammar: the best there is")
    left.set(xlabel="epoch", ylabel="bits per character")
    left.legend(title="Cross entropy")
    vectors, width, places = model[0].weight.data.T, 0.1, []  # width: of a letter
    right.plot(*vectors.T, ".", color="#767676")
    for letter, (x, y) in zip(LETTERS, vectors, strict=True):
        while any(np.hypot(x + width - u, y - v) < width for u, v in places):
            x += width  # beside the letters that are there
        places.append((x + width, y))
        colour = "#D55E00" if letter in FRONT else "#0072B2" if letter in BACK else "black"
        right.text(*places[-1], letter, color=colour, fontsize=16, ha="center", va="center")
    right.set(xlabel="first number", ylabel="second number", xmargin=0.5, ymargin=0.1)
    right.set_title("The embedding: front vowels, back vowels, consonants")
    figure.savefig(picture, dpi=120)


if __name__ == "__main__":
    main(*sys.argv[1:2])
