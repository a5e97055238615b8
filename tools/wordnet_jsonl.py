#!/usr/bin/env python3
"""WordNet's data files -> JSON lines: id, word, pos, category, gloss.

    wordnet_jsonl.py [--limit N] OUT.jsonl

Reads /usr/share/wordnet (Debian's package wordnet-base), or the folder in WORDNET. One line per synset, in
the order noun, verb, adj, adv; the category is the name of its lexicographer file (lexnames(5WN)).
"""
import json
import os
import sys

CATEGORIES = """adj.all adj.pert adv.all noun.Tops noun.act noun.animal noun.artifact noun.attribute
noun.body noun.cognition noun.communication noun.event noun.feeling noun.food noun.group noun.location
noun.motive noun.object noun.person noun.phenomenon noun.plant noun.possession noun.process
noun.quantity noun.relation noun.shape noun.state noun.substance noun.time verb.body verb.change
verb.cognition verb.communication verb.competition verb.consumption verb.contact verb.creation
verb.emotion verb.motion verb.perception verb.possession verb.social verb.stative verb.weather
adj.ppl""".split()
assert len(CATEGORIES) == 45


def synsets(folder, pos):
    path = os.path.join(folder, "data." + pos)
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if line.startswith(" "):
                continue  # the licence stands indented at the top of each file
            data, bar, gloss = line.partition("|")
            field = data.split()
            try:
                offset, category, letter, word = field[0], int(field[1]), field[2], field[4]
                name = CATEGORIES[category]
            except (IndexError, ValueError):
                sys.exit(f"{path}:{number}: not a line of a WordNet data file (wndb(5WN))")
            if not bar:
                sys.exit(f"{path}:{number}: no gloss after '|'")
            # Satellite adjectives ('s') live in data.adj: one letter per file keeps ids unique.
            letter = "a" if letter == "s" else letter
            word = word.partition("(")[0].replace("_", " ")
            yield {"id": letter + offset, "word": word, "pos": pos, "category": name,
                   "gloss": gloss.strip()}


def main():
    args = sys.argv[1:]
    limit = None
    if args[:1] == ["--limit"] and len(args) == 3:
        limit, args = int(args[1]), args[2:]
    if len(args) != 1:
        sys.exit(__doc__)
    folder = os.environ.get("WORDNET", "/usr/share/wordnet")
    if not os.path.exists(os.path.join(folder, "data.noun")):
        sys.exit(f"{folder}/data.noun is not there: install wordnet-base, or set WORDNET")
    rows = [row for pos in ("noun", "verb", "adj", "adv") for row in synsets(folder, pos)]
    if limit:  # evenly spread, so that every part of speech is there
        rows = [rows[i * len(rows) // limit] for i in range(min(limit, len(rows)))]
    part = args[0] + ".part"
    with open(part, "w", encoding="utf-8", newline="\n") as out:
        for row in rows:
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
    os.replace(part, args[0])


if __name__ == "__main__":
    main()
