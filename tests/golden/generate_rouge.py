# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes tests/golden/rouge/rouge.json: stems and ROUGE-1 scores computed by rouge_score 0.1.2 with NLTK's stemmer.

    pip install rouge_score==0.1.2
    python tests/golden/generate_rouge.py
"""
import json
import pathlib

from nltk.stem.porter import PorterStemmer
from rouge_score import rouge_scorer, tokenize

# Words of Porter's paper, of NLTK's extensions, and made-up ones that reach every rule.
WORDS = """
caresses ponies ties dies flies caress cats feed agreed plastered bled motoring sing conflated troubled sized hopping
tanned falling hissing fizzed failing filing happy sky skies relational conditional rational valency hesitancy
digitizer conformably radically differently vilely analogously vietnamization predication operator feudalism
decisiveness hopefulness callousness formality sensitivity sensibility triplicate formative formalize electricity
electrical hopeful goodness revival allowance inference airliner gyroscopic adjustable defensible irritant replacement
adjustment dependent adoption homologous communism activate angularity effective bowdlerize probate rate cease
controlling rolling roll spied died tied tried spy fly try enjoy enjoyment say toy syzygy yyyy yyyyy news innings
outing cannings howe proceed exceed succeed proceeding dying lying tying geology theology archaeology philology
apologies beautifully wonderfully carefully fully totally finally rally generally actually possibly probably nobly
sandwich sandwiches dolores francisco sunny eating sitting sits walked walking quickly 1990s 2nd abc123 123 1000ing
ion union unions onion million billion mission passion fashion aing ing king kings bring bringing being seeing seen
agreement agreeable abilities nationalization nationalism internationally controllable rollers skied hied ied eed
breed breeding needed needs speed exceedingly successfully oscillating oscillate oscillators tables tabled table
able ible ment element elements cement statement statements entity entities identical medical radical logical
psychologically ecological ate iti city cities purity purities ous gas gases bus buses buss bias biases yes eyes
wolves wolf knives geese oxen children women feet teeth mice was has is as us this his its hers ours
""".split()

PAIRS = [
    ("eat a sandwich and sit in Dolores Park on a sunny day", "The best thing to do is eat sandwiches, sitting in a park."),
    ("eat a sandwich and sit in Dolores Park on a sunny day", "eat a sandwich and sit in Dolores Park on a sunny day"),
    ("eat a sandwich and sit in Dolores Park on a sunny day", "I do not know."),
    ("the the the cat", "the cat the dog the"),
    ("", "something"),
    ("something", ""),
    ("", ""),
    ("...", "!!!"),
    ("He was running, jumping & hopping", "he runs; he jumps; he hops"),
    ("Caf\u00e9 na\u00efve r\u00e9sum\u00e9", "cafe naive resume"),
    ("\u212aelvin \u0130stanbul \u00c5ngstr\u00f6m", "kelvin istanbul angstrom"),
    ("A1-B2_C3 d4", "a1 b2 c3 D4"),
    ("don't can't won't", "don t can t"),
    ("line\nbreaks\tand  spaces", "spaces and line breaks"),
    ("\u65e5\u672c\u8a9e 2024", "2024 \u65e5\u672c"),
    ("the secret ingredient is lemon", "The secret ingredients are lemons and generously generous ingredients"),
]


def main():
    stemmer = PorterStemmer()
    words = sorted(set(WORDS))
    golden = {"stems": {w: stemmer.stem(w) for w in words}, "pairs": []}
    for reference, candidate in PAIRS:
        entry = {"reference": reference, "candidate": candidate, "tokens": tokenize.tokenize(candidate, stemmer)}
        for name, use in (("stemmed", True), ("plain", False)):
            score = rouge_scorer.RougeScorer(["rouge1"], use_stemmer=use).score(reference, candidate)["rouge1"]
            entry[name] = [score.precision, score.recall, score.fmeasure]
        golden["pairs"].append(entry)
    path = pathlib.Path(__file__).parent / "rouge" / "rouge.json"
    path.write_text(json.dumps(golden, indent=1, ensure_ascii=True) + "\n")


if __name__ == "__main__":
    main()
