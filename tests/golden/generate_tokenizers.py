# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes tests/golden/tokenizers: small tokenizers, and what Hugging Face's own code makes of difficult texts.

Needs Python 3.11 with: transformers==5.23.0 tokenizers==0.23.3 sentencepiece==0.2.3 gguf==0.19.0 jinja2==3.1.6
torch==2.11.0 (transformers asks for it to read GGUF files).
Run from the repository's root: python tests/golden/generate_tokenizers.py [FOLDER WITH THE TWO REAL GGUF FILES]

Trained files (tokenizer.json, *.model) that are there already are kept: training breaks ties by hash order, so that
another run makes another vocabulary. Everything else is made anew from them.
"""

import json
import os
import random
import sys
import shutil
import tempfile

import gguf
import sentencepiece
import transformers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tokenizers")
PINNED = {"transformers": "5.23.0", "sentencepiece": "0.2.3"}
META = "\u2581"

TRAINING = """The capital of France is Paris, and the capital of Germany is Berlin.
When Mary and John went to the store, John gave a drink to Mary.
Don't they'll we've I'm you'd it's THEY'LL DON'T; he said "hello" (twice) -- and left...
One two three four five six seven eight nine ten; first second third fourth fifth.
Monday Tuesday Wednesday Thursday Friday Saturday Sunday January February March April
Numbers: 0 1 2 3 10 11 12 42 99 100 123 256 1000 1024 1999 2024 3.14159 1,000,000 0x1F 50% $9.99
def main(argv):\n    for index in range(10):\n        print(index, end="\\n")\n    return {"key": [1, 2, 3]}
#include <vector>\nint main() {\n\tstd::vector<int> values;\n\treturn values.size() == 0 ? 1 : 0;\n}
https://example.com/path/to/page?query=value&other=1#fragment user@example.org /usr/local/bin
Die Würde des Menschen ist unantastbar. Straße, Größe, Übermut, ähnlich, schön, Füße und Äpfel.
L'État, c'est moi; où est la bibliothèque ? Ça va très bien, merci beaucoup à tous les élèves.
El niño comió una manzana en la montaña mañana por la mañana; ¿cómo estás? ¡Muy bien!
Всем привет, как дела сегодня? Это маленький текст на русском языке для проверки.
Το ελληνικό αλφάβητο έχει είκοσι τέσσερα γράμματα και είναι πολύ παλιό.
שלום עולם, מה שלומך היום? זהו טקסט קצר בעברית לבדיקה.
مرحبا بالعالم كيف حالك اليوم؟ هذا نص قصير باللغة العربية للاختبار.
今天天气很好，我们去公园散步吧。你好，世界！这是一个用于测试的短文本。
こんにちは世界。今日はとても良い天気ですね。カタカナとひらがなと漢字。
안녕하세요 세계. 오늘은 날씨가 아주 좋습니다. 한국어 문장입니다.
สวัสดีชาวโลก วันนี้อากาศดีมาก นี่คือข้อความสั้น ๆ สำหรับทดสอบ
नमस्ते दुनिया, आज मौसम बहुत अच्छा है। यह परीक्षण के लिए एक छोटा पाठ है।
Emoji: 😀 😃 😄 👍 ❤️ 🎉 🇫🇷 🇩🇪 👨‍👩‍👧 and music ♪ ♫ arrows → ← math ∑ ∫ √ ≠ ≤
the the the and and and of of to to in in is is that that was was for for with with
    indented by four\n        indented by eight\n\tindented by a tab\r\nwindows line\r\n
"""

TEXTS = [
    "", " ", "  ", "   ", "\n", "\n\n", "\t", "\r\n", "\r\n\r\n", " \n ", "\n \n", "a", " a", "a ", "  a  ",
    "The capital of France is", "When Mary and John went to the store, John gave a drink to",
    "Hello world", " Hello  world   three    four     five", "trailing spaces   ", "trailing newline\n", "tabs\t\tand\tspaces \t mixed",
    "line one\nline two\r\nline three\rline four\n\n\nline seven", "\n\n  \n\t\n   x", "a\u00a0b\u2003c\u3000d\u2028e\u0085f\u180eg",
    "1", "12", "123", "1234", "12345", "123456", "1234567", "12345678", "123456789", "1234567890", "3.14159 and 1,000,000 or 50%",
    " 2024  2025   2026", "½ ² Ⅷ ٣٤٥ १२३ ①", "I'm don't we'll they've you'd he's it're", "I'M DON'T WE'LL THEY'VE YOU'D HE'S IT'RE",
    "it\u2019s \u2018quoted\u2019 'single' ''double'' 's 'S 'LL 'ſ", "😀", "👨‍👩‍👧‍👦 family", "👍🏽 skin 👩🏿‍🚀 tone", "🇫🇷🇩🇪🇯🇵 flags 🏴󠁧󠁢󠁥󠁮󠁧󠁿", "❤️ ❤ ☺️",
    "مَرْحَبًا بِالعَالَمِ", "السَّلَامُ عَلَيْكُمْ ١٢٣", "שָׁלוֹם עוֹלָם", "今天天气很好，我们去公园。", "𠀀𠀁 𝒳𝒴 𝟙𝟚", "こんにちは、世界！ｶﾀｶﾅ", "안녕하세요 세계", "각각",
    "สวัสดีชาวโลก", "नमस्ते दुनिया", "é è ñ", "é e\u0301 ñ n\u0303 Å A\u030a \u212b", "Z\u0351\u036b\u0343\u0343\u0329a\u0334l\u0340g\u0321o\u0322", "ﬁ ﬂ ｆｕｌｌ ℌ ㌀ ǆ",
    "İstanbul ISPARTA ı i STRASSE ß ẞ ΣΑΣ", "Straße Größe Übermut", "Всем привет, как дела?", "Το ελληνικό αλφάβητο",
    "a\u0000b", "\u0000", "\u0001\u0002\u001b[31mred\u001b[0m\u007f", "\ufeffBOM at the start", "in\ufeffside", "\ue000\uf8ff\U000f0000 private", "\u200b\u200c\u200d\u2060 zero width \u202eright to left\u202c",
    "\ufffd \ufffe \uffff", "supercalifragilisticexpialidocious" * 4, "a" * 300, " " * 100, "\n" * 40, "=" * 80, "-----\n=====\n*****", "ab" * 100,
    "def f(x):\n    if x > 0:\n        return x**2  # square\n    return -x\n", "int main() {\n\treturn values.size() == 0 ? 1 : 0;\n}", "{\"key\": [1, 2, {\"nested\": null}]}", "<html><body class=\"x\">&amp;</body></html>",
    "https://example.com/path?query=value&a=1#frag user@example.org", "C:\\Users\\name\\file.txt /usr/bin", "SELECT * FROM t WHERE a='b';", "$9.99 €5 £3 ¥100 ₿", "!!!???...,,,;;;:::", "a.b,c;d:e!f?g(h)i[j]k{l}m", "snake_case camelCase PascalCase kebab-case",
    "<s>", "</s>", "<unk>", "<bos>", "<eos> <pad>", "<|endoftext|>", "Hello<|endoftext|>world", "<|im_start|>user\nHi<|im_end|>\n", "  <|endoftext|>  ", "<s> [INST] Hi [/INST] answer </s>", "<|im_start|><|im_start|>", "<|im_", "<|endoftext|", "<mask>", " x <mask> y ", "[multimodal]<unused0>",
    "<0x41><0x0A>", "\u2581already\u2581meta\u2581", "\u2581", " \u2581 ", "Ġ Ċ ĉ literal", "tool word toolword tool", "mixed 中文 and English と日本語 и русский", "ends with a dot.", "...", "'", "\"", "\\", "\\n not a newline", "x\u0301\u0302\u0303", "\u0301leading mark", "é", "ÀÉÎÕÜ àéîõü",
    "a\u200dtool tool\u200db \u200ctool \u24b6tool tool\u24e9 tool", "<|user|>\nHi <|end|>  \n x<|end|>", "a new word newword new  word New Word",
    "<|endoftext|>\n\n  deep        deeper\n                                code", "<extra_id_0> x<extra_id_1>", "½ｆé e\u0301 각\u200bﬁ",
]  # fmt: skip


def train(tokenizer, size, specials, alphabet=None, kind="bpe"):
    if kind == "unigram":
        trainer = trainers.UnigramTrainer(vocab_size=size, special_tokens=specials, unk_token="<unk>", show_progress=False)
    else:
        options = {"initial_alphabet": alphabet} if alphabet else {"limit_alphabet": 150}
        trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=specials, show_progress=False, min_frequency=2, **options)
    tokenizer.train_from_iterator(TRAINING.split("\n") + [TRAINING], trainer)
    return tokenizer


def byte_level(name, split):
    tokenizer = Tokenizer(models.BPE())
    if split is not None:
        tokenizer.pre_tokenizer = split
    tokenizer.decoder = decoders.ByteLevel()
    train(tokenizer, 800, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], pre_tokenizers.ByteLevel.alphabet())
    tokenizer.add_tokens([AddedToken("tool", single_word=True, normalized=False)])
    return name, tokenizer


LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace("{1,3}", "")
GPT4O = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def split_then_bytes(pattern):
    return pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )


BYTES = [f"<0x{i:02X}>" for i in range(256)]


def with_json(tokenizer, change):
    value = json.loads(tokenizer.to_str())
    change(value)
    return Tokenizer.from_str(json.dumps(value))


def llama2():
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(META), normalizers.Replace(" ", META)])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(META, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")  # for training; Llama 2 has none
    train(tokenizer, 1000, ["<unk>", "<s>", "</s>"] + BYTES)

    def change(value):
        value["pre_tokenizer"] = None
        value["added_tokens"] = [dict(t, normalized=False) for t in value["added_tokens"][:3]]

    tokenizer = with_json(tokenizer, change)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    return "llama2", tokenizer


def gemma():
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", META)
    tokenizer.decoder = decoders.Sequence([decoders.Replace(META, " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(META, "merged_with_next")  # for training
    specials = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    train(tokenizer, 1000, specials + BYTES)

    def change(value):
        value["added_tokens"] = [t for t in value["added_tokens"] if t["content"] in specials]

    tokenizer = with_json(tokenizer, change)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.add_tokens([AddedToken("[multimodal]", normalized=False), AddedToken("\n\n", normalized=False)])
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, rstrip=True)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>", pair="<bos> $A $B <eos>", special_tokens=[("<bos>", 2), ("<eos>", 1)]
    )
    return "gemma", tokenizer


def unigram(fallback):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first" if fallback else "always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="first" if fallback else "always")
    train(tokenizer, 700, ["<unk>", "<s>", "</s>"], kind="unigram")

    def change(value):
        # A third of the rarer characters leave, so that something is unknown.
        vocab = value["model"]["vocab"]
        vocab = [v for i, v in enumerate(vocab) if i < 3 or len(v[0]) > 1 or ord(v[0]) < 0x500 or i % 3]
        if fallback:
            vocab = vocab[:3] + [[b, 0.0] for b in BYTES] + vocab[3:]
            value["decoder"] = {"type": "Sequence", "decoders": [
                {"type": "ByteFallback"}, value["decoder"], {"type": "Fuse"}]}
        value["model"].update(vocab=vocab, byte_fallback=fallback)
        value["added_tokens"][1]["normalized"] = True  # <s> is looked for in the normalized text

    tokenizer = with_json(tokenizer, change)
    tokenizer.post_processor = processors.Sequence([
        processors.TemplateProcessing(single="$A </s>", pair="$A $B </s>", special_tokens=[("</s>", 2)])])
    return ("unigram_bytes" if fallback else "unigram"), tokenizer


def lower_ignore():
    """Lower case, digits, punctuation, Whitespace, ignore_merges, no byte level: unknown characters vanish."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.Digits(True), pre_tokenizers.Punctuation("contiguous")]
    )
    train(tokenizer, 600, ["<s>", "</s>"])
    tokenizer = with_json(tokenizer, lambda value: value["model"].update(ignore_merges=True))
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    return "lower", tokenizer


def golden(encode, encode_plain, encode_split, decode, decode_skip):
    rows = []
    for text in TEXTS:
        ids = encode(text)
        row = {"ids": ids, "decoded": decode(ids), "skipped": decode_skip(ids)}
        plain, split = encode_plain(text), encode_split(text)
        if plain != ids:
            row["plain"] = plain  # add_special = false
        if split != ids:
            row["split"] = split  # parse_special = false
        rows.append(row)
    return rows


INVALID = ["ff", "61ff62", "c3", "c328", "c0af", "e4bd", "e4bd41", "e28228", "eda080", "edb080", "eda080edb080", "f09f98", "f0808080", "f4908080",
           "80", "80bf80", "f8888080", "fe", "6100ff00", "20ff20ff20", "0d0aff0d0a", "3c6d61736b3eff3c6d61736b3e", "f09f9880f09f98", "d8b3d9"]  # fmt: skip


def invalid_rows(encode):
    return [encode(bytes.fromhex(text).decode("utf-8", errors="replace")) for text in INVALID]


def decodes(size, decode, decode_skip):
    """Ids in no sensible order: fragments of characters, special tokens in the middle, spaces at both ends."""
    rng = random.Random(7)
    rows = []
    for length in (1, 1, 1, 2, 2, 3, 3, 4, 5, 6, 8, 10, 12, 16, 20, 30):
        ids = [rng.randrange(min(size, 300) if rng.random() < 0.5 else size) for _ in range(length)]
        rows.append({"ids": ids, "decoded": decode(ids), "skipped": decode_skip(ids)})
    return rows


def golden_fast(fast):
    return golden(
        lambda t: fast(t)["input_ids"], lambda t: fast(t, add_special_tokens=False)["input_ids"],
        lambda t: fast(t, split_special_tokens=True)["input_ids"],
        lambda i: fast.decode(i), lambda i: fast.decode(i, skip_special_tokens=True))


def write(path, value):
    os.makedirs(os.path.dirname(os.path.join(OUT, path)), exist_ok=True)
    with open(os.path.join(OUT, path), "w", encoding="utf-8", newline="\n") as file:
        # ASCII only, so that NUL, U+FEFF and unpaired marks survive editors.
        json.dump(value, file, ensure_ascii=True, separators=(",", ":"))
        file.write("\n")


def from_file(name):
    return Tokenizer.from_file(os.path.join(OUT, name, "tokenizer.json"))


def llama31():
    tokenizer = with_json(from_file("llama3"), lambda value: value["model"].update(ignore_merges=True))
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=True),
        processors.TemplateProcessing(single="<|im_start|> $A", pair="<|im_start|> $A <|im_start|> $B", special_tokens=[("<|im_start|>", 1)])])
    return tokenizer


def mistral():
    tokenizer = from_file("llama2")
    tokenizer = with_json(tokenizer, lambda value: value.update(normalizer=None))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    return tokenizer


def phi3():
    """Special tokens that take the white space behind them; an added token that is looked for in normalized text."""
    tokenizer = with_json(from_file("llama2"), lambda value: value.update(post_processor=None))
    tokenizer.add_special_tokens([AddedToken(t, rstrip=True, normalized=False) for t in ("<|user|>", "<|end|>")])
    tokenizer.add_tokens([AddedToken("new word", normalized=True)])
    return tokenizer


def neox():
    tokenizer = from_file("gpt2")
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.add_tokens([AddedToken(" " * n, normalized=True) for n in range(24, 1, -1)])
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    return tokenizer


def t5():
    tokenizer = from_file("unigram")
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.Precompiled(charsmap_of_sentencepiece()), normalizers.Strip(left=False), normalizers.Replace(Regex(" {2,}"), META)])
    tokenizer.add_special_tokens([AddedToken(f"<extra_id_{n}>", normalized=False) for n in range(2)])
    return tokenizer


def trained():
    made = [
        byte_level("gpt2", pre_tokenizers.ByteLevel(add_prefix_space=False)),
        byte_level("gpt2_prefix", pre_tokenizers.ByteLevel(add_prefix_space=True)),
        byte_level("llama3", split_then_bytes(LLAMA3)),
        byte_level("qwen2", split_then_bytes(QWEN2)),
        byte_level("smollm", pre_tokenizers.Sequence([pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(add_prefix_space=False)])),
        llama2(), gemma(), unigram(False), unigram(True), lower_ignore(),
    ]
    for name, tokenizer in made:
        if name == "qwen2":
            tokenizer.normalizer = normalizers.NFC()
        folder = os.path.join(OUT, name)
        os.makedirs(folder, exist_ok=True)
        if not os.path.exists(os.path.join(folder, "tokenizer.json")):
            tokenizer.save(os.path.join(folder, "tokenizer.json"), pretty=False)
        write_golden(name)


def derived():
    """Other families over the same vocabularies."""
    for name, make in (("llama31", llama31), ("mistral", mistral), ("phi3", phi3), ("neox", neox), ("t5", t5)):
        os.makedirs(os.path.join(OUT, name), exist_ok=True)
        make().save(os.path.join(OUT, name, "tokenizer.json"), pretty=False)
        write_golden(name)


def write_golden(name):
    fast = transformers.PreTrainedTokenizerFast(tokenizer_file=os.path.join(OUT, name, "tokenizer.json"))
    ids = sorted(set(range(0, len(fast), 7)) | set(fast.added_tokens_decoder))
    write(f"{name}/golden.json", {
        "rows": golden_fast(fast), "size": len(fast), "piece_ids": ids, "pieces": fast.convert_ids_to_tokens(ids),
        "special": [i for i, token in fast.added_tokens_decoder.items() if token.special],
        "decodes": decodes(len(fast), fast.decode, lambda i: fast.decode(i, skip_special_tokens=True)),
        "invalid": invalid_rows(lambda t: fast(t)["input_ids"])})


def configured():
    """A folder whose configuration names tokens; transformers ignores add_bos_token beside a tokenizer.json."""
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|im_start|>", "eos_token": {"content": "<|im_end|>", "__type": "AddedToken", "special": True, "normalized": False, "lstrip": False, "rstrip": False, "single_word": False},
        "pad_token": "<|pad|>", "add_bos_token": True, "add_eos_token": True, "additional_special_tokens": ["<|tool|>"],
        "chat_template": "{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token }}\n{% endfor %}",
    }
    folder = os.path.join(OUT, "gpt2")
    with tempfile.TemporaryDirectory() as place:
        with open(os.path.join(folder, "tokenizer.json"), "rb") as source, open(os.path.join(place, "tokenizer.json"), "wb") as copy:
            copy.write(source.read())
        with open(os.path.join(place, "tokenizer_config.json"), "w") as file:
            json.dump(config, file)
        fast = transformers.AutoTokenizer.from_pretrained(place)
        texts = ["Hello<|tool|>world<|pad|>", "", "<|im_end|> x"]
        names = {n: getattr(fast, n + "_token_id") for n in ("bos", "eos", "unk", "pad")}
        write("configured.json", {
            "config": config, "texts": texts, "ids": [fast(t)["input_ids"] for t in texts], "names": names,
            "chat": fast.apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=False)})


def named():
    """What the files beside tokenizer.json add to it, and which of them counts where they disagree."""
    flags = {"__type": "AddedToken", "lstrip": True, "rstrip": False, "normalized": False, "single_word": False}
    base = {"tokenizer_class": "PreTrainedTokenizerFast"}
    with open(os.path.join(OUT, "gpt2", "tokenizer.json"), encoding="utf-8") as file:
        tokenizer = json.load(file)
    size = max([*tokenizer["model"]["vocab"].values(), *(token["id"] for token in tokenizer["added_tokens"])]) + 1
    cases = [
        {"tokenizer_config.json": dict(base, sep_token="<sep>", cls_token="<cls>", mask_token=dict(flags, content="<mask>"), pad_token="<p>")},
        {"tokenizer_config.json": dict(base, image_token="<image>", extra_special_tokens={"audio_token": "<audio>"})},
        {"tokenizer_config.json": base, "added_tokens.json": {"<one>": size + 1, "<zero>": size}},
        {"tokenizer_config.json": dict(base, eos_token="<a>", additional_special_tokens=["<zero>"]), "added_tokens.json": {"<a>": size, "<zero>": size + 1, "<one>": size + 2},
         "special_tokens_map.json": {"eos_token": {"content": "<b>", "lstrip": False, "rstrip": True, "normalized": False, "single_word": False}, "additional_special_tokens": ["<one>"]}},
        {"tokenizer_config.json": dict(base, eos_token="<a>", added_tokens_decoder={str(size): {"content": "<zero>", "special": True}}),
         "added_tokens.json": {"<one>": size + 1}, "special_tokens_map.json": {"eos_token": "<b>", "mask_token": "<mask>", "additional_special_tokens": ["<two>"]}},
    ]
    texts = ["x <mask> y<sep>z<cls><p>", "<image> and <audio>", "a<zero>b <one> c", "<a> <b> q<two>", "<b>  x"]
    rows = []
    for files in cases:
        with tempfile.TemporaryDirectory() as place:
            shutil.copyfile(os.path.join(OUT, "gpt2", "tokenizer.json"), os.path.join(place, "tokenizer.json"))
            for name, content in files.items():
                with open(os.path.join(place, name), "w") as file:
                    json.dump(content, file)
            fast = transformers.AutoTokenizer.from_pretrained(place)
            ids = [fast(t)["input_ids"] for t in texts]
            rows.append({"files": files, "ids": ids, "plain": [fast.decode(i, skip_special_tokens=True) for i in ids], "eos": fast.eos_token_id})
    write("named.json", {"texts": texts, "rows": rows})


def vocab_and_merges():
    with open(os.path.join(OUT, "gpt2", "tokenizer.json"), encoding="utf-8") as file:
        model = json.load(file)["model"]
    result = {}
    for name, cls, config in (("gpt2", transformers.GPT2Tokenizer, {}), ("prefix", transformers.GPT2Tokenizer, {"add_prefix_space": True}),
                              ("qwen2", transformers.Qwen2Tokenizer, {"tokenizer_class": "Qwen2Tokenizer"}),
                              ("bos_eos", transformers.GPT2Tokenizer, {"add_bos_token": True, "add_eos_token": True})):
        merges = [tuple(m) for m in model["merges"]]
        fast = cls(vocab=model["vocab"], merges=merges, **{k: v for k, v in config.items() if k != "tokenizer_class"})
        result[name] = {"config": config, "ids": [fast(t)["input_ids"] for t in TEXTS[:100]]}
    write("vocab_and_merges.json", result)


def train_sentencepiece(target, **options):
    if os.path.exists(target):
        return
    sentencepiece.SentencePieceTrainer.train(**options)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(options["model_prefix"] + ".model", "rb") as source, open(target, "wb") as copy:
        copy.write(source.read())


def sentencepiece_models():
    with tempfile.TemporaryDirectory() as place:
        corpus = os.path.join(place, "corpus.txt")
        with open(corpus, "w", encoding="utf-8") as file:
            file.write(TRAINING)
        for kind, rule in (("unigram", "nmt_nfkc"), ("bpe", "identity")):
            prefix = os.path.join(place, kind)
            target = os.path.join(OUT, "sentencepiece", kind + ".model")
            train_sentencepiece(
                target, input=corpus, model_prefix=prefix, model_type=kind, vocab_size=700, byte_fallback=True, character_coverage=0.98,
                normalization_rule_name=rule, remove_extra_whitespaces=(kind == "unigram"), user_defined_symbols=["[tool]"], num_threads=1,
                minloglevel=2)
            processor = sentencepiece.SentencePieceProcessor(model_file=target)
            rows = []
            for text in TEXTS + ["call [tool] now"]:
                if any(s in text for s in ("<s>", "</s>")):
                    continue  # the library reads these as text, Headscope as control symbols
                ids = processor.encode(text)
                rows.append({"text": text, "ids": ids, "decoded": processor.decode(ids)})
            write(f"sentencepiece/{kind}.json", {
                "rows": rows, "size": len(processor), "pieces": [processor.id_to_piece(i) for i in range(0, 700, 11)],
                "invalid": invalid_rows(processor.encode)})


def components():
    def pieces(step, text):
        return [p for p, _ in step.pre_tokenize_str(text)]

    texts = [t for t in TEXTS if len(t) < 46]
    behaviors = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]
    splits = [pre_tokenizers.Split(p, b, inv) for b in behaviors for p in (" ", Regex(r"\d+|\p{P}")) for inv in (False, True)]
    splits += [pre_tokenizers.Punctuation(b) for b in behaviors]
    splits += [pre_tokenizers.Metaspace(META, s, split) for s in ("always", "first", "never") for split in (True, False)]
    splits += [pre_tokenizers.ByteLevel(a, use_regex=r) for a in (True, False) for r in (True, False)]
    splits += [pre_tokenizers.Digits(True), pre_tokenizers.Digits(False), pre_tokenizers.Whitespace(), pre_tokenizers.WhitespaceSplit()]
    splits += [split_then_bytes(p) for p in (LLAMA3, QWEN2, GPT4O)]
    splits += [pre_tokenizers.Split(Regex(p), "isolated") for p in (r"\w+", r"\W", r"^.+$", r"[\s\S]", r"[^\s]+", r"\u0041|[\u00e0-\u00ff]", r"(?<=a)b", r"\p{Han}+", "x*", r"[a-z&&[^aeiou]]+", r"[a-c[x-z]]+|\d", r"[^a-c[\s]]+", r"[\p{L}&&[^\p{Lu}]]+", r"[^\w&&[\S]]", r"[[:alpha:]&&[^\u0363-\u036f]]+", r"[[:digit:]]+", r"[[:alnum:]_&&[^\u0363-\u036f]]+", r"[[:punct:]]+", r"[^[:space:]]+", r"[[:upper:]][[:lower:]]*", r"[[:^alpha:]\u0363-\u036f]+", r"[\W\d]+", "[]a]+", r"[a-z&&[^b-d]&&[^x]]+", r"[[:xdigit:]]+")]
    splits += [pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(META, "first")])]
    rules = [normalizers.NFC(), normalizers.NFD(), normalizers.NFKC(), normalizers.NFKD(), normalizers.Lowercase(), normalizers.StripAccents(),
             normalizers.Strip(), normalizers.Strip(right=False), normalizers.Strip(left=False), normalizers.Prepend("_x"),
             normalizers.Replace("a", "bb"), normalizers.Replace(Regex(r"\s+"), "_"), normalizers.ByteLevel(),
             normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])]
    charsmap = charsmap_of_sentencepiece()
    rules.append(normalizers.Precompiled(charsmap))
    back = [decoders.ByteLevel(), decoders.Metaspace(), decoders.Metaspace(prepend_scheme="never"), decoders.ByteFallback(), decoders.Fuse(),
            decoders.Strip(" ", 1, 1), decoders.Strip("_", 0, 1), decoders.Replace("_", " "), decoders.Replace(Regex("[ab]+"), "-"),
            decoders.Sequence([decoders.Replace(META, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])]
    lists = [["Hello", "Ġworld", "Ċ"], ["Ã", "©", "Ã"], ["ð", "Ł", "ĺ"], ["<|x|>", "日本", "Ġa"], [META + "Hello", META + META + "a", META], ["<0xE4>", "<0xBD>", "<0xA0>", "x", "<0xFF>", "<0x41>"],
             ["<0xE4>", "<0xBD>"], ["<0xZZ>", "<0x4>", "<0x0a>"], [" a ", "  b  ", "__c__", "_"], ["aab", "ba", "c"], []]
    tree = lambda thing: json.loads(thing.__getstate__())
    write("components.json", {
        "texts": texts,
        "pre_tokenizers": [{"config": tree(s), "pieces": [pieces(s, t) for t in texts]} for s in splits],
        "normalizers": [{"config": tree(n), "texts": [n.normalize_str(t) for t in texts]} for n in rules],
        "lists": lists, "decoders": [{"config": tree(d), "texts": [d.decode(i) for i in lists]} for d in back]})


def charsmap_of_sentencepiece():
    from sentencepiece import sentencepiece_model_pb2 as pb2

    model = pb2.ModelProto()
    with open(os.path.join(OUT, "sentencepiece", "small_map.model"), "rb") as file:
        model.ParseFromString(file.read())
    return model.normalizer_spec.precompiled_charsmap


def small_map():
    """A SentencePiece model with a few normalization rules of its own: the full NFKC map would be 300 kB."""
    with tempfile.TemporaryDirectory() as place:
        rules = os.path.join(place, "rules.tsv")
        with open(rules, "w") as file:
            for source, target in (("ﬁ", "fi"), ("ｆ", "f"), ("½", "1/2"), ("é", "e"), ("e\u0301", "e"), ("\u00a0", " "), ("\u3000", " "), ("각", "K"), ("\u200b", "")):
                file.write(" ".join(f"{ord(c):X}" for c in source) + "\t" + " ".join(f"{ord(c):X}" for c in target) + "\n")
        corpus = os.path.join(place, "corpus.txt")
        with open(corpus, "w", encoding="utf-8") as file:
            file.write(TRAINING[:900])
        train_sentencepiece(
            os.path.join(OUT, "sentencepiece", "small_map.model"), input=corpus, model_prefix=os.path.join(place, "m"), model_type="bpe",
            vocab_size=120, normalization_rule_tsv=rules, num_threads=1, minloglevel=2)


def gguf_cases():
    """Small GGUF vocabularies, read by transformers; the C++ test gets the same values as JSON."""
    with open(os.path.join(OUT, "llama3", "tokenizer.json"), encoding="utf-8") as file:
        bpe = json.load(file)
    tokens = sorted(bpe["model"]["vocab"], key=bpe["model"]["vocab"].get)
    types = [3 if t.startswith("<|") else 1 for t in tokens]
    types[tokens.index("Ġthe")] = 4
    merges = [" ".join(m) for m in bpe["model"]["merges"]]
    base = {"architecture": "llama", "model": "gpt2", "tokens": tokens, "types": types, "merges": merges, "bos": 1, "eos": 2, "unk": 0, "pad": 2}
    cases = [dict(base, pre=p, add_bos=b) for p, b in (("llama-bpe", True), ("qwen2", False), ("tekken", None), ("gpt-4o", None), ("smollm", False), ("default", None))]
    cases.append(dict(base, pre="llama-bpe", add_bos=True, add_eos=True))
    cases += [dict(base, pre=p, add_bos=False) for p in OWN_SPLITS if p != "smollm"]
    with open(os.path.join(OUT, "llama2", "tokenizer.json"), encoding="utf-8") as file:
        spm = json.load(file)
    tokens = sorted(spm["model"]["vocab"], key=spm["model"]["vocab"].get)
    types = [3 if t in ("<s>", "</s>") else 2 if t == "<unk>" else 6 if t in BYTES else 1 for t in tokens]
    order = {"".join(m): i for i, m in reversed(list(enumerate(spm["model"]["merges"])))}
    scores = [-float(order.get(t, 0)) if t in order else (0.0 if types[i] != 1 else -1e6) for i, t in enumerate(tokens)]
    # Scores that repeat, so that ties are met too.
    scores = [float(int(s / 3)) if s > -1e6 else s for s in scores]
    spaced = [" " * len(t) if t and not t.strip(META) and len(t) > 1 else t for t in tokens]
    base = {"model": "llama", "pre": "default", "tokens": tokens, "types": types, "scores": scores, "bos": 1, "eos": 2, "unk": 0}
    cases.append(dict(base, architecture="llama"))
    cases.append(dict(base, architecture="llama", add_space_prefix=False))
    cases.append(dict(base, architecture="phi3", add_bos=False))
    for arch in ("gemma2", "gemma3"):
        cases.append(dict(base, architecture=arch, tokens=spaced, add_bos=True))
    shared, rows = {}, []
    for case in cases:
        fast = own(load_gguf_case(case), case)
        known = {json.dumps(case[k]): k for k in ("tokens", "types", "scores", "merges") if k in case}
        entry = {k: v for k, v in case.items() if k not in ("tokens", "types", "scores", "merges")}
        for text, k in known.items():
            shared.setdefault(text, len(shared))
            entry[k] = shared[text]
        limit = len(case["tokens"])
        texts = [i for i, t in enumerate(TEXTS) if all(x < limit for x in fast(t)["input_ids"])]
        entry["texts"] = texts
        entry["ids"] = [fast(TEXTS[i])["input_ids"] for i in texts]
        entry["decoded"] = [fast.decode(i) for i in entry["ids"]]
        rows.append(entry)
    write("gguf_cases.json", {"shared": [json.loads(t) for t in shared], "cases": rows})


# The letters of DeepSeek's pattern, by their numbers as some have equals that editors put in their place.
DEEPSEEK_LETTERS = "A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-\U00010cb2\U00010cc0-\U00010cf2\U000118a0-\U000118df\U0001e900-\U0001e943"


def isolated(*patterns):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(p), "isolated") for p in patterns] + [pre_tokenizers.ByteLevel(False, use_regex=False)])


BLOOM = " ?[^(\\s|[.,!?…。，、।۔،])]+"
DIGITS_FIRST = pre_tokenizers.Sequence([pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(False, use_regex=True)])
# As the tokenizer.json of a model of each kind has it.
OWN_SPLITS = {
    "smollm": DIGITS_FIRST, "starcoder": DIGITS_FIRST, "stablelm2": isolated(QWEN2),
    "falcon": pre_tokenizers.Sequence([pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.ByteLevel(False, use_regex=True), pre_tokenizers.Split(Regex("[0-9][0-9][0-9]"), "isolated")]),
    "deepseek-llm": isolated("[\r\n]", "\\s?[" + DEEPSEEK_LETTERS + "]+", "\\s?[!-/:-~！-／：-～‘-‟\u3000-。]+", "\\s+$", "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+", "\\p{N}+"),
    "deepseek-coder": isolated("[\r\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+", "\\p{N}"),
    "deepseek-v3": isolated("\\p{N}{1,3}", "[一-龥\u3040-ゟ゠-ヿ]+", "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"),
    "bloom": isolated(BLOOM), "viking": isolated(BLOOM, "\\p{N}"),
}  # fmt: skip


def own(fast, case):
    """transformers' GGUF reader drops the digit rules, the space prefix and some BOS: puts the model's own parts back."""
    tokenizer = fast.backend_tokenizer
    if case["model"] == "gpt2" and case["pre"] in OWN_SPLITS:
        tokenizer.pre_tokenizer = OWN_SPLITS[case["pre"]]
    if case["pre"] == "tekken":  # adds BOS where the file does not say
        tokenizer.post_processor = processors.TemplateProcessing("B $A", special_tokens=[("B", case["bos"])])
    if case["model"] == "llama" and case["architecture"] == "llama":
        prefix = case.get("add_space_prefix", True)
        replace = normalizers.Replace(" ", META)
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(META), replace]) if prefix else replace
        tokenizer.pre_tokenizer = None
        if not prefix:
            tokenizer.decoder = decoders.Sequence([decoders.Replace(META, " "), decoders.ByteFallback(), decoders.Fuse()])
    return fast


def load_gguf_case(case):
    with tempfile.TemporaryDirectory() as place:
        writer = gguf.GGUFWriter(os.path.join(place, "m.gguf"), case["architecture"])
        writer.add_context_length(128)
        writer.add_embedding_length(64)
        writer.add_block_count(1)
        writer.add_feed_forward_length(64)
        writer.add_head_count(2)
        writer.add_head_count_kv(2)
        writer.add_layer_norm_rms_eps(1e-5)
        writer.add_rope_dimension_count(32)
        writer.add_key_length(32)
        writer.add_value_length(32)
        writer.add_sliding_window(64)
        writer.add_tokenizer_model(case["model"])
        writer.add_tokenizer_pre(case["pre"])
        writer.add_token_list(case["tokens"])
        writer.add_token_types(case["types"])
        if "scores" in case:
            writer.add_token_scores(case["scores"])
        if "merges" in case:
            writer.add_token_merges(case["merges"])
        for key, add in (("bos", writer.add_bos_token_id), ("eos", writer.add_eos_token_id), ("unk", writer.add_unk_token_id), ("pad", writer.add_pad_token_id)):
            if case.get(key) is not None:
                add(case[key])
        if case.get("add_bos") is not None:
            writer.add_add_bos_token(case["add_bos"])
        if case.get("add_eos") is not None:
            writer.add_add_eos_token(case["add_eos"])
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return transformers.AutoTokenizer.from_pretrained(place, gguf_file="m.gguf")


def real_gguf(folder):
    for name, file in (("smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"), ("gemma3", "gemma-3-270m-q4_k_m.gguf")):
        if not os.path.exists(os.path.join(folder, file)):
            print("left out:", file)
            continue
        fast = transformers.AutoTokenizer.from_pretrained(folder, gguf_file=file)
        if name == "smollm2":
            fast.backend_tokenizer.pre_tokenizer = DIGITS_FIRST
        chat = [{"text": fast.apply_chat_template(c, add_generation_prompt=p, tokenize=False), "ids": fast.apply_chat_template(c, add_generation_prompt=p)["input_ids"], "conversation": i, "prompt": p}
                for i, c in enumerate(CONVERSATIONS) for p in (False, True)] if fast.chat_template else []
        write(f"{name}.json", {
            "chat": chat, "rows": golden_fast(fast), "size": len(fast), "invalid": invalid_rows(lambda t: fast(t)["input_ids"]),
            "decodes": decodes(len(fast), fast.decode, lambda i: fast.decode(i, skip_special_tokens=True))})


TEMPLATES = {
    "chatml": "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "llama2": "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}",
    "mistral": "{%- if messages[0][\"role\"] == \"system\" %}\n    {%- set system_message = messages[0][\"content\"] %}\n    {%- set loop_messages = messages[1:] %}\n{%- else %}\n    {%- set loop_messages = messages %}\n{%- endif %}\n{%- if not tools is defined %}\n    {%- set tools = none %}\n{%- endif %}\n{%- set ns = namespace() %}\n{%- set ns.index = 0 %}\n{%- for message in loop_messages %}\n    {%- if not (message.role == \"tool\" or message.role == \"tool_results\" or (message.tool_calls is defined and message.tool_calls is not none)) %}\n        {%- if (message[\"role\"] == \"user\") != (ns.index % 2 == 0) %}\n            {{- raise_exception(\"After the optional system message, conversation roles must alternate user/assistant/user/assistant/...\") }}\n        {%- endif %}\n        {%- set ns.index = ns.index + 1 %}\n    {%- endif %}\n{%- endfor %}\n\n{{- bos_token }}\n{%- for message in loop_messages %}\n    {%- if message[\"role\"] == \"user\" %}\n        {%- if loop.last and system_message is defined %}\n            {{- \"[INST] \" + system_message + \"\\n\\n\" + message[\"content\"] + \"[/INST]\" }}\n        {%- else %}\n            {{- \"[INST] \" + message[\"content\"] + \"[/INST]\" }}\n        {%- endif %}\n    {%- elif message[\"role\"] == \"assistant\" %}\n        {{- \" \" + message[\"content\"]|trim + eos_token}}\n    {%- else %}\n        {{- raise_exception(\"Only user and assistant roles are supported, with the exception of an initial optional system message!\") }}\n    {%- endif %}\n{%- endfor %}\n",
    "llama3": "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}",
    "llama31": "{{- bos_token }}\n{%- if custom_tools is defined %}\n    {%- set tools = custom_tools %}\n{%- endif %}\n{%- if not tools_in_user_message is defined %}\n    {%- set tools_in_user_message = true %}\n{%- endif %}\n{%- if not date_string is defined %}\n    {%- set date_string = \"26 Jul 2024\" %}\n{%- endif %}\n{%- if not tools is defined %}\n    {%- set tools = none %}\n{%- endif %}\n\n{#- This block extracts the system message, so we can slot it into the right place. #}\n{%- if messages[0]['role'] == 'system' %}\n    {%- set system_message = messages[0]['content']|trim %}\n    {%- set messages = messages[1:] %}\n{%- else %}\n    {%- set system_message = \"\" %}\n{%- endif %}\n\n{#- System message + builtin tools #}\n{{- \"<|start_header_id|>system<|end_header_id|>\\n\\n\" }}\n{%- if builtin_tools is defined or tools is not none %}\n    {{- \"Environment: ipython\\n\" }}\n{%- endif %}\n{%- if builtin_tools is defined %}\n    {{- \"Tools: \" + builtin_tools | reject('equalto', 'code_interpreter') | join(\", \") + \"\\n\\n\"}}\n{%- endif %}\n{{- \"Cutting Knowledge Date: December 2023\\n\" }}\n{{- \"Today Date: \" + date_string + \"\\n\\n\" }}\n{%- if tools is not none and not tools_in_user_message %}\n    {%- for t in tools %}\n        {{- t | tojson(indent=4) }}\n        {{- \"\\n\\n\" }}\n    {%- endfor %}\n{%- endif %}\n{{- system_message }}\n{{- \"<|eot_id|>\" }}\n\n{%- for message in messages %}\n    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}\n        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}\n    {%- elif 'tool_calls' in message %}\n        {%- if not message.tool_calls|length == 1 %}\n            {{- raise_exception(\"This model only supports single tool-calls at once!\") }}\n        {%- endif %}\n    {%- endif %}\n{%- endfor %}\n{%- if add_generation_prompt %}\n    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}\n{%- endif %}\n",
    "qwen25": "{%- if tools %}\n    {{- '<|im_start|>system\\n' }}\n    {%- for tool in tools %}\n        {{- \"\\n\" }}\n        {{- tool | tojson }}\n    {%- endfor %}\n{%- else %}\n    {%- if messages[0]['role'] == 'system' %}\n        {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}\n    {%- else %}\n        {{- '<|im_start|>system\\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\\n' }}\n    {%- endif %}\n{%- endif %}\n{%- for message in messages %}\n    {%- if (message.role == \"user\") or (message.role == \"system\" and not loop.first) or (message.role == \"assistant\" and not message.tool_calls) %}\n        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}\n    {%- elif message.role == \"assistant\" %}\n        {{- '<|im_start|>' + message.role }}\n    {%- elif message.role == \"tool\" %}\n        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != \"tool\") %}\n            {{- '<|im_start|>user' }}\n        {%- endif %}\n        {{- '\\n<tool_response>\\n' }}\n        {{- message.content }}\n        {{- '\\n</tool_response>' }}\n        {%- if loop.last or (messages[loop.index0 + 1].role != \"tool\") %}\n            {{- '<|im_end|>\\n' }}\n        {%- endif %}\n    {%- endif %}\n{%- endfor %}\n{%- if add_generation_prompt %}\n    {{- '<|im_start|>assistant\\n' }}\n{%- endif %}\n",
    "qwen3": "{%- if messages[0].role == 'system' %}\n    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}\n{%- endif %}\n{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}\n{%- for message in messages[::-1] %}\n    {%- set index = (messages|length - 1) - loop.index0 %}\n    {%- if ns.multi_step_tool and message.role == \"user\" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}\n        {%- set ns.multi_step_tool = false %}\n        {%- set ns.last_query_index = index %}\n    {%- endif %}\n{%- endfor %}\n{%- for message in messages %}\n    {%- if message.content is string %}\n        {%- set content = message.content %}\n    {%- else %}\n        {%- set content = '' %}\n    {%- endif %}\n    {%- if (message.role == \"user\") or (message.role == \"system\" and not loop.first) %}\n        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}\n    {%- elif message.role == \"assistant\" %}\n        {%- set reasoning_content = '' %}\n        {%- if message.reasoning_content is string %}\n            {%- set reasoning_content = message.reasoning_content %}\n        {%- else %}\n            {%- if '</think>' in content %}\n                {%- set reasoning_content = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}\n                {%- set content = content.split('</think>')[-1].lstrip('\\n') %}\n            {%- endif %}\n        {%- endif %}\n        {%- if loop.index0 > ns.last_query_index %}\n            {%- if loop.last or (not loop.last and reasoning_content) %}\n                {{- '<|im_start|>' + message.role + '\\n<think>\\n' + reasoning_content.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}\n            {%- else %}\n                {{- '<|im_start|>' + message.role + '\\n' + content }}\n            {%- endif %}\n        {%- else %}\n            {{- '<|im_start|>' + message.role + '\\n' + content }}\n        {%- endif %}\n        {{- '<|im_end|>\\n' }}\n    {%- endif %}\n{%- endfor %}\n{%- if add_generation_prompt %}\n    {{- '<|im_start|>assistant\\n' }}\n    {%- if enable_thinking is defined and enable_thinking is false %}\n        {{- '<think>\\n\\n</think>\\n\\n' }}\n    {%- endif %}\n{%- endif %}",
    "gemma2": "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}",
    "gemma3": "{{ bos_token }}\n{%- if messages[0]['role'] == 'system' -%}\n    {%- if messages[0]['content'] is string -%}\n        {%- set first_user_prefix = messages[0]['content'] + '\n\n' -%}\n    {%- else -%}\n        {%- set first_user_prefix = messages[0]['content'][0]['text'] + '\n\n' -%}\n    {%- endif -%}\n    {%- set loop_messages = messages[1:] -%}\n{%- else -%}\n    {%- set first_user_prefix = \"\" -%}\n    {%- set loop_messages = messages -%}\n{%- endif -%}\n{%- for message in loop_messages -%}\n    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}\n        {{ raise_exception(\"Conversation roles must alternate user/assistant/user/assistant/...\") }}\n    {%- endif -%}\n    {%- if (message['role'] == 'assistant') -%}\n        {%- set role = \"model\" -%}\n    {%- else -%}\n        {%- set role = message['role'] -%}\n    {%- endif -%}\n    {{ '<start_of_turn>' + role + '\n' + (first_user_prefix if loop.first else \"\") }}\n    {%- if message['content'] is string -%}\n        {{ message['content'] | trim }}\n    {%- elif message['content'] is iterable -%}\n        {%- for item in message['content'] -%}\n            {%- if item['type'] == 'image' -%}\n                {{ '<start_of_image>' }}\n            {%- elif item['type'] == 'text' -%}\n                {{ item['text'] | trim }}\n            {%- endif -%}\n        {%- endfor -%}\n    {%- else -%}\n        {{ raise_exception(\"Invalid content type\") }}\n    {%- endif -%}\n    {{ '<end_of_turn>\n' }}\n{%- endfor -%}\n{%- if add_generation_prompt -%}\n    {{'<start_of_turn>model\n'}}\n{%- endif -%}\n",
    "mistral3": "{%- if messages[0][\"role\"] == \"system\" %}\n    {%- set system_message = messages[0][\"content\"] %}\n    {%- set loop_messages = messages[1:] %}\n{%- else %}\n    {%- set loop_messages = messages %}\n{%- endif %}\n{%- if not tools is defined %}\n    {%- set tools = none %}\n{%- endif %}\n{%- set user_messages = loop_messages | selectattr(\"role\", \"equalto\", \"user\") | list %}\n\n{{- bos_token }}\n{%- for message in loop_messages | rejectattr(\"role\", \"equalto\", \"tool\") | selectattr(\"tool_calls\", \"undefined\") %}\n    {%- if (message[\"role\"] == \"user\") != (loop.index0 % 2 == 0) %}\n        {{- raise_exception(\"roles must alternate\") }}\n    {%- endif %}\n    {%- if message[\"role\"] == \"user\" %}\n        {%- if tools is not none and (message == user_messages[-1]) %}\n            {{- \"[AVAILABLE_TOOLS][\" }}\n        {%- endif %}\n        {%- if message == user_messages[-1] and system_message is defined %}\n            {{- \"[INST]\" + system_message + \"\\n\\n\" + message[\"content\"] + \"[/INST]\" }}\n        {%- else %}\n            {{- \"[INST]\" + message[\"content\"] + \"[/INST]\" }}\n        {%- endif %}\n    {%- elif message[\"role\"] == \"assistant\" %}\n        {{- message[\"content\"] + eos_token}}\n    {%- endif %}\n{%- endfor %}\n",
    "qwen2": "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "phi3": "{% for message in messages %}{% if message['role'] == 'system' %}{{'<|system|>\n' + message['content'] + '<|end|>\n'}}{% elif message['role'] == 'user' %}{{'<|user|>\n' + message['content'] + '<|end|>\n'}}{% elif message['role'] == 'assistant' %}{{'<|assistant|>\n' + message['content'] + '<|end|>\n'}}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}",
    # The language itself, one feature after the other.
    "space": "a\n  {% if true %}\n  b\n  {%- endif %}  \nc {{ 'x' }}\n  {# gone #}\n{%+ if true %}d{% endif +%}\ne\n{{- 'f' -}}\n  g\r\nh\n\n",
    "operators": "{{ 1 + 2 * 3 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 'a' ~ 1 ~ none ~ true }} {{ 1 < 2 and not 2 <= 1 }} {{ 'b' in 'abc' }} {{ 'z' not in ['y'] }} {{ 3 in [1, 3] }} {{ 'k' in {'k': 1} }} {{ (1 if false) }}|{{ 1 if true else 2 }} {{ 'a' 'b' }} {{ 2 * -3 }} {{ false or 'x' }} {{ '' and 1 }}|",
    "values": "{{ [1, 2][0] }} {{ {'a': {'b': 'c'}}.a.b }} {{ 'héllo'[1] }} {{ 'héllo'[::-1] }} {{ 'hello'[1:-1] }} {{ 'hello'[-3:] }} {{ [1,2,3][::2] | join('-') }} {{ 'héllo' | length }} {{ missing }}|{{ missing | default('d') }} {{ '' | default('e', true) }} {{ none | default('n') }} {{ 'x\\ty\\\\' }}",
    "tests": "{{ missing is defined }} {{ messages is defined }} {{ none is none }} {{ 'a' is string }} {{ {} is mapping }} {{ [] is iterable }} {{ [] is sequence }} {{ 1 is number }} {{ 3 is odd }} {{ 4 is even }} {{ 9 is divisibleby 3 }} {{ 1 is not none }} {{ 'a' is equalto 'a' }} {{ true is true }} {{ tools is none }}",
    "methods": "{{ '  a '.strip() }}|{{ 'xxaxx'.strip('x') }}|{{ ' a '.lstrip() }}|{{ ' a '.rstrip() }}|{{ 'a,b,c'.split(',') | join(';') }}|{{ ' a  b '.split() | join(';') }}|{{ 'a-b-c'.split('-', 1)[1] }}|{{ 'ab'.startswith('a') }}|{{ 'ab'.endswith('a') }}|{{ 'aB'.upper() }}{{ 'aB' | lower }}|{{ 'aba'.replace('a', 'c') }}|{{ {'a': 1}.get('b', 2) }}|{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}={{ v }},{% endfor %}",
    "json": "{{ {'a': [1, 2.5, none, true], 'b': 'é\"\\n<&>', 'c': {}} | tojson }} {{ {'a': [1, {'b': []}]} | tojson(indent=2) }} {{ messages | tojson }}",
    "loops": "{% for m in messages if m.role == 'user' %}{{ loop.index }}/{{ loop.length }}{{ ',' if not loop.last }}{% else %}none{% endfor %}|{% for i in range(5) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 3 %}{% break %}{% endif %}{{ i }}{{ loop.revindex }}{% endfor %}|{% for x in [] %}x{% else %}empty{% endfor %}|{% set x = 1 %}{% for i in [2] %}{% set x = i %}{% endfor %}{{ x }}|{% set ns = namespace(x=1) %}{% for i in [2] %}{% set ns.x = i %}{% endfor %}{{ ns.x }}|{% set block %}captured {{ x }}{% endset %}{{ block | trim }}|{% for m in messages %}{{ loop.previtem.role if loop.previtem is defined }}>{% endfor %}|{% generation %}g{% endgeneration %}",
    "lists": "{{ messages | map(attribute='role') | join(',') }}|{{ messages | map(attribute='nope', default='-') | join }}|{{ ['a', 'b'] | map('upper') | join }}|{{ [1, 2, 3, 4] | select('odd') | join }}|{{ [0, 1, '', 2] | select | join }}|{{ [1, 2, 3] | reject('gt', 1) | join }}|{{ messages | selectattr('content') | list | length }}|{{ 'abc' | list | join('-') }}|{{ {'a': 1, 'b': 2} | list | join }}|{{ missing | list | length }}",
    "edges": "{{ 1 == true }} {{ 0 == false }} {{ '1' == 1 }} {{ 1 == 1.0 }} {{ -3 | string | length }} {{ 2 * -3 }} {{ missing is iterable }} {{ missing is sequence }} {{ 1.5 is float }} {{ 1 is integer }} {{ true is integer }} {{ 'a\\\nb' }} {{ '\\x41\\u00e9\\a\\q' }} {{ \"it's\" }} {{ messages|length - 1 }} {{ 'a' not in ['b'] and not 'c' in 'd' }} {{ [1, 2,] | length }}",
}  # fmt: skip

CONVERSATIONS = [
    [{"role": "user", "content": "  Hi there \n"}],
    [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1+1?"}],
    [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "<think>\nadd\n</think>\n\n 2 "}, {"role": "user", "content": "é 你好 😀"}],
    [{"role": "user", "content": ""}, {"role": "assistant", "content": "ok"}],
    [{"role": "assistant", "content": "I start"}, {"role": "user", "content": "no"}],
]


def chats():
    fast = transformers.PreTrainedTokenizerFast(tokenizer_file=os.path.join(OUT, "gpt2", "tokenizer.json"), bos_token="<|im_start|>", eos_token="<|im_end|>")
    rows = []
    for name, template in TEMPLATES.items():
        for number, conversation in enumerate(CONVERSATIONS):
            for prompt in (False, True):
                row = {"template": name, "conversation": number, "prompt": prompt}
                try:
                    row["text"] = fast.apply_chat_template(conversation, chat_template=template, add_generation_prompt=prompt, tokenize=False)
                except Exception as error:  # what the template raises
                    row["error"] = str(error)
                rows.append(row)
    write("chat.json", {"templates": TEMPLATES, "conversations": CONVERSATIONS, "rows": rows})


def words():
    """WordPiece and WordLevel, whole tokenizer.json files with the parts that go with them."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"] + sorted(set("abcdefghijklmnopqrstuvwxyz0123456789.,!?'()-")) + ["##" + c for c in "abcdefghijklmnopqrstuvwxyz0123456789"]
    pieces += ["the", "hello", "wor", "##ld", "capital", "##ing", "of", "mary", "john", "stra", "##ße", "uber", "\u4f60", "\u597d", "do", "not", "##s"]
    bert = Tokenizer(models.WordPiece({p: i for i, p in enumerate(pieces)}, unk_token="[UNK]"))
    bert.normalizer = normalizers.BertNormalizer()
    bert.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    bert.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    bert.decoder = decoders.WordPiece()
    bert.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    cased = Tokenizer(models.WordPiece({p: i for i, p in enumerate(pieces)}, unk_token="[UNK]", max_input_chars_per_word=8))
    cased.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=None, handle_chinese_chars=False, clean_text=False)
    cased.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Digits(True)])
    cased.decoder = decoders.WordPiece(cleanup=False)
    level = Tokenizer(models.WordLevel({w: i for i, w in enumerate(["<unk>", "The", "capital", "of", "France", "is", "a", "b", "Hello", "world", "1", "12"])}, unk_token="<unk>"))
    level.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    chars = Tokenizer(models.WordLevel({w: i for i, w in enumerate(["<unk>", "The", "capital", "", "a", "b"])}, unk_token="<unk>"))
    chars.pre_tokenizer = pre_tokenizers.CharDelimiterSplit(" ")
    texts = [t for t in TEXTS if len(t) < 120] + ["Hello, WORLDs! Straße ÜBER\u0301 don't do not", "你好hello", "\u0000a\ufffdb\u200dc\td", "a" * 101]
    write("words.json", {"texts": texts, "cases": [{"tokenizer": json.loads(t.to_str()), "ids": [t.encode(x).ids for x in texts], "decoded": [t.decode(t.encode(x).ids) for x in texts]} for t in (bert, cased, level, chars)]})


def added():
    """Tokens that stand beside vocab.json and tokenizer.model (folder `added`), under the options that change them."""
    source = os.path.join(OUT, "added")
    texts = ["<|im_start|>user hello<|im_end|>", " hello", "hello", "a<|im_end|>  hello", "</s>hello", "hello </s> hello", "<|im_start|> <|im_end|>", "hello  world\n\nfoo"]
    decoder = lambda first: {str(first): {"content": "<|im_start|>", "special": True}, str(first + 1): {"content": "<|im_end|>", "special": True, "lstrip": True, "rstrip": True}}
    names = {"bos_token": "<s>", "eos_token": "<|im_end|>", "unk_token": "<unk>"}
    plain = {"bos_token": "<|endoftext|>", "eos_token": "<|im_end|>", "unk_token": "<|endoftext|>", "tokenizer_class": "GPT2Tokenizer"}
    llama = dict(names, tokenizer_class="LlamaTokenizer")
    cases = [("vocab.json", plain, 396, {}), ("vocab.json", dict(plain, added_tokens_decoder=decoder(396)), None, {})]
    cases += [("tokenizer.model", dict(llama, **more), 420, {}) for more in ({}, {"legacy": False}, {"legacy": True}, {"add_prefix_space": False}, {"add_bos_token": False, "add_eos_token": True})]
    cases += [("tokenizer.model", dict(llama, added_tokens_decoder=decoder(420)), None, {}), ("tokenizer.model", dict(names, tokenizer_class="GemmaTokenizer"), 420, {})]
    rows = []
    for kind, config, first, _ in cases:
        with tempfile.TemporaryDirectory() as place:
            files = {"tokenizer_config.json": config, "config.json": {"model_type": "gpt2" if kind == "vocab.json" else "llama"}}
            if first:
                files["added_tokens.json"] = {"<|im_start|>": first, "<|im_end|>": first + 1}
            for name, content in files.items():
                with open(os.path.join(place, name), "w") as file:
                    json.dump(content, file)
            for name in ("vocab.json", "merges.txt") if kind == "vocab.json" else ("tokenizer.model",):
                shutil.copyfile(os.path.join(source, name), os.path.join(place, name))
            fast = transformers.AutoTokenizer.from_pretrained(place)
            rows.append({"kind": kind, "files": files, "ids": [fast(t)["input_ids"] for t in texts], "eos": fast.eos_token_id, "bos": fast.bos_token_id})
    write("added.json", {"texts": texts, "rows": rows})


def jinja():
    """Jinja itself, set up as transformers does, over a list of small templates that each try some of its parts."""
    from transformers.utils.chat_template_utils import _compile_jinja_template

    with open(os.path.join(os.path.dirname(OUT), "jinja_templates.json"), encoding="utf-8") as file:
        templates = json.load(file)
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": " Hi é "}, {"role": "assistant", "content": "ok"}]
    variables = {"messages": messages, "tools": None, "add_generation_prompt": True, "bos_token": "<s>", "eos_token": "</s>"}
    rows = []
    for template in templates:
        try:
            rows.append({"template": template, "text": _compile_jinja_template(template).render(**variables)})
        except Exception as error:
            rows.append({"template": template, "error": str(error)})
    write("jinja.json", {"variables": variables, "rows": rows})


def main():
    assert transformers.__version__ == PINNED["transformers"], transformers.__version__
    assert sentencepiece.__version__ == PINNED["sentencepiece"], sentencepiece.__version__
    write("texts.json", TEXTS)
    trained()
    configured()
    named()
    vocab_and_merges()
    sentencepiece_models()
    small_map()
    derived()
    write("invalid.json", INVALID)
    components()
    chats()
    jinja()
    words()
    added()
    gguf_cases()
    real_gguf(sys.argv[1] if len(sys.argv) > 1 else "build/models")


if __name__ == "__main__":
    main()
