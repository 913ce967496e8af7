"""Local weights: a tiny random model answers the same alone, in a batch and streamed."""

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from lictor.errors import ModelNotFoundError
from lictor.llm.load import load_chat_model
from lictor.llm.local import LOOP_TOKENS, LocalModel
from lictor.llm.weights import EMBEDDED, locate
from lictor.testing import ask
from lictor.types import Conversation, Message, Sampling

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TALKS: list[Conversation] = [
    ask("a"),
    ask("a much longer request than the one before, about bells and their towers"),
    (Message("system", "Be brief."), Message("user", "x"), Message("assistant", "y"), Message("user", "z?")),
    ask("Glöckchen 🔔"),
    ask("a"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of two layers with random weights, and a byte-level tokenizer, in Hugging Face layout."""
    folder = tmp_path_factory.mktemp("tiny")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(["bells and towers ring in the morning"] * 4, trainer)
    named = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named)
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(fast),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=512,
        initializer_range=0.5,
        eos_token_id=tokenizer.token_to_id("<|im_end|>"),
        bos_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> LocalModel:
    """The tiny model in fp32, three rows at once."""
    return LocalModel(f"path:{folder}", "fp32", batch_rows=3)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_batch_answers_as_each_request_alone(model: LocalModel, temperature: float) -> None:
    """Neither neighbours, padding nor the order of rows change an answer, greedy or sampled."""
    sampling = [Sampling(max_tokens=4 + 5 * i, temperature=temperature, seed=i) for i in range(len(TALKS))]
    together = model.complete(TALKS, sampling)
    alone = [model.complete([talk], [how])[0] for talk, how in zip(TALKS, sampling, strict=True)]

    assert together == alone
    assert all(together)
    assert len(set(together)) > 1


def test_what_all_of_a_batch_begin_with_is_read_once(folder: Path) -> None:
    """Answers stay those of each request alone, of equal requests too, and most tokens are fed once."""
    model = LocalModel(f"path:{folder}", "fp32")
    before = "The bells ring in the morning, and the towers stand in the evening. " * 2
    talks = [(Message("user", before + last),) for last in ("Why", "Why so?", "When do they?", "Why so?")]
    sampling = [Sampling(max_tokens=8, temperature=1.0, seed=i) for i in (3, 4, 5, 6)]
    fed: list[int] = []
    hook = model.lm.register_forward_pre_hook(
        lambda _module, _args, given: fed.append(given["input_ids"].numel()), with_kwargs=True
    )
    together = model.complete(talks, sampling)
    hook.remove()
    alone = [model.complete([talk], [how])[0] for talk, how in zip(talks, sampling, strict=True)]

    assert together == alone
    assert len(set(together)) > 1
    shortest = len(model.prompt_ids(talks[0]))
    assert sum(fed) < 2 * shortest + len(talks) * 8


def test_prompts_that_begin_alike_are_read_together(folder: Path) -> None:
    """Two kinds of prompts, mixed and of mixed lengths: none is read with one of the other kind."""
    model = LocalModel(f"path:{folder}", "fp32", batch_rows=4)
    kinds = ("Bells ring. " * 12, "Towers stand. " * 12)
    talks = [(Message("user", kinds[at % 2] + "why? " * (at % 3)),) for at in range(8)]
    fed: list[int] = []
    hook = model.lm.register_forward_pre_hook(
        lambda _module, _args, given: fed.append(given["input_ids"].numel()), with_kwargs=True
    )
    answers = model.complete(talks, [Sampling(max_tokens=2, seed=at) for at in range(8)])
    hook.remove()
    apart = [model.complete([talk], [Sampling(max_tokens=2, seed=at)])[0] for at, talk in enumerate(talks)]

    assert answers == apart
    assert sum(fed) < 2 * max(len(model.prompt_ids(talk)) for talk in talks) + 8 * 25


def test_rows_that_ended_leave_the_batch(folder: Path) -> None:
    """One long answer beside eleven short ones is not written twelve times."""
    model = LocalModel(f"path:{folder}", "fp32")
    fed: list[int] = []
    hook = model.lm.register_forward_pre_hook(
        lambda _module, _args, given: fed.append(given["input_ids"].shape[0]), with_kwargs=True
    )
    sampling = [Sampling(max_tokens=2 if at else 24, temperature=1.0, seed=5) for at in range(12)]
    model.complete([(Message("user", "ring"),)] * 12, sampling)
    hook.remove()

    assert fed[:2] == [12, 12]
    assert len(fed) > 6
    assert set(fed[2:]) == {1}


def test_a_stream_gives_what_a_completion_gives(model: LocalModel) -> None:
    """The pieces put together are the answer; none ends within a character."""
    how = Sampling(max_tokens=40, temperature=1.0, seed=2)
    pieces = list(model.stream(TALKS[1], how))

    assert "".join(pieces).strip() == model.complete([TALKS[1]], [how])[0]
    assert len(pieces) > 5


def test_the_seed_decides_a_sampled_answer(model: LocalModel) -> None:
    """Equal seeds give equal answers, others others."""
    answers = model.complete([TALKS[0]] * 3, [Sampling(20, 1.0, 0.95, seed) for seed in (1, 1, 2)])

    assert answers[0] == answers[1]
    assert answers[0] != answers[2]


def test_an_answer_is_no_longer_than_asked(model: LocalModel) -> None:
    """One token is at most one piece."""
    assert len(list(model.stream(TALKS[0], Sampling(max_tokens=1, temperature=0.0)))) <= 2
    assert model.complete([], []) == []


def test_a_name_says_reference_and_precision(folder: Path, model: LocalModel) -> None:
    """Caches tell precisions apart, since they answer differently."""
    assert model.name == f"{folder.name}#fp32"
    assert load_chat_model(f"path:{folder}", precision="bf16").name == f"{folder.name}#bf16"


@pytest.mark.slow
def test_the_embedded_model_answers() -> None:
    """The default model's weights unpack, and it knows what everybody knows."""
    try:
        locate(EMBEDDED)
    except ModelNotFoundError as error:
        pytest.skip(str(error))
    model = load_chat_model(EMBEDDED)
    (answer,) = model.complete([ask("What is the capital of France?")], [Sampling(max_tokens=20, temperature=0.0)])

    assert "Paris" in answer


def test_an_answer_that_goes_round_in_a_circle_ends(folder: Path) -> None:
    """Of likeliest tokens alone, and only once a long stretch repeats itself; a sampled one goes on in it."""
    model = LocalModel(f"path:{folder}", "fp32")
    for name, weight in model.lm.named_parameters():  # so that a token depends on the one before and on nothing else
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            torch.nn.init.zeros_(weight)
        if name == "lm_head.weight":
            torch.nn.init.zeros_(weight[:3])  # and no token ends the answer

    def said(max_tokens: int, temperature: float) -> str:
        return model.complete([ask("b")], [Sampling(max_tokens, temperature)])[0]

    assert said(2 * LOOP_TOKENS - 1, 0.0) != said(2 * LOOP_TOKENS, 0.0) == said(400, 0.0)
    assert said(2 * LOOP_TOKENS, 1e-9) != said(400, 1e-9)
