"""The exported folder in transformers' hands, and folders that others made in ours."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from repoloom.errors import UserError
from repoloom.model import huggingface
from repoloom.model.transformer import Transformer
from repoloom.tokens import chat
from repoloom.tokens.tokenizer import Tokenizer

TEXTS = [
    "def load(path: str) -> dict[str, int]:\n    return json.loads(open(path).read())\n",
    "\n\n\n\t\tif x != 0xFF:\r\n  # naïve – 你好 🎉 한국어\n",
    "<｜fim▁begin｜>a<｜fim▁hole｜>b<|EOT|>",
    "",
]


def test_transformers_gives_our_logits_and_tokens(folder, model):
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ours = Tokenizer.load(folder)
    assert type(theirs) is LlamaForCausalLM
    for text in TEXTS:
        assert tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True) == ours.encode(text)
    ids = torch.tensor([[ours.bos, *ours.encode("".join(TEXTS) * 3)[:200]]])
    with torch.no_grad():
        torch.testing.assert_close(model(ids), theirs(ids).logits, atol=1e-4, rtol=0)
        wanted = theirs.generate(ids[:, :40], max_new_tokens=30, do_sample=False)[0, 40:].tolist()
        got = ids[:, :40]
        for _ in range(30):
            got = torch.cat((got, model(got, last_only=True)[:, -1].argmax(-1, keepdim=True)), 1)
    assert got[0, 40:].tolist() == wanted


def test_special_tokens_are_named(folder, instruct_folder):
    ours = Tokenizer.load(folder)
    assert None not in (ours.bos, ours.eos, ours.pad, ours.eot, ours.fim_begin, ours.fim_hole, ours.fim_end)
    for place, ends in ((folder, ours.eos), (instruct_folder, [ours.eos, ours.eot])):
        tokenizer = AutoTokenizer.from_pretrained(place)
        assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (
            ours.bos,
            ours.eos,
            ours.pad,
        )
        generation = AutoModelForCausalLM.from_pretrained(place).generation_config
        assert (generation.bos_token_id, generation.eos_token_id, generation.pad_token_id) == (ours.bos, ends, ours.pad)


def test_chat_template_is_the_one_we_train_with(folder, instruct_folder):
    messages = [{"role": "user", "content": "Add two numbers."}]
    theirs = AutoTokenizer.from_pretrained(instruct_folder)
    ids = theirs.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    assert ids == chat.encode(Tokenizer.load(folder), messages)
    assert AutoTokenizer.from_pretrained(folder).chat_template is None


def test_weights_come_back_as_they_were(folder, model, tmp_path):
    loaded = huggingface.load(folder)
    assert loaded.config == model.config
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in loaded.state_dict().items())
    huggingface.save(loaded, folder, tmp_path / "again")  # the model's own folder serves as the tokenizer's
    for name in huggingface.FILES:
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


@pytest.mark.parametrize("tied", [False, True])
def test_reads_what_transformers_wrote(tmp_path, tied):
    theirs = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=99, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=64, tie_word_embeddings=tied,
            rope_parameters={"rope_type": "linear", "rope_theta": 5e5, "factor": 3.0},
        )
    )  # fmt: skip
    theirs.to(torch.bfloat16).save_pretrained(tmp_path)
    ours = huggingface.load(tmp_path)
    assert (ours.config.rope_base, ours.config.rope_scaling) == (5e5, 3.0)
    ids = torch.arange(60)[None]
    with torch.no_grad():
        torch.testing.assert_close(ours(ids), theirs.float()(ids).logits, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("scaling", "factor"),
    [
        (None, 1.0),
        ({"type": "linear", "factor": 4.0}, 4.0),  # as DeepSeek Coder was released
        ({"rope_type": "linear", "factor": 2.5}, 2.5),
    ],
)
def test_reads_the_configuration_of_transformers_4(folder, tmp_path, scaling, factor):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    fields = json.loads((tmp_path / "config.json").read_text())
    del fields["rope_parameters"], fields["head_dim"]
    (tmp_path / "config.json").write_text(json.dumps(fields | {"rope_theta": 7e4, "rope_scaling": scaling}))
    ours = huggingface.load(tmp_path)
    assert (ours.config.rope_base, ours.config.rope_scaling) == (7e4, factor)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    ids = torch.arange(250)[None]
    with torch.no_grad():
        torch.testing.assert_close(ours(ids), theirs(ids).logits, atol=1e-4, rtol=0)


def test_scaled_positions_go_out_and_come_back(model, folder, tmp_path):
    config = replace(model.config, rope_base=100_000.0, rope_scaling=4.0)
    scaled = Transformer(config)
    scaled.load_state_dict(model.state_dict())
    huggingface.save(scaled, folder, tmp_path)
    assert huggingface.load(tmp_path).config == config
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    ids = torch.arange(250)[None]
    with torch.no_grad():
        logits = theirs(ids).logits
        torch.testing.assert_close(scaled(ids), logits, atol=1e-4, rtol=0)
        assert (model(ids) - logits).abs().max() > 0.1, "unscaled, it is another model"
    # What transformers 4 and llama.cpp's converter read.
    fields = json.loads((tmp_path / "config.json").read_text())
    assert fields["rope_theta"] == 100_000
    assert fields["rope_scaling"] == {"rope_type": "linear", "factor": 4.0}
    old = LlamaConfig.from_dict({key: value for key, value in fields.items() if key != "rope_parameters"})
    assert old.rope_parameters == theirs.config.rope_parameters


def broken(place, name):
    config = place / "config.json"
    fields = json.loads(config.read_text())
    weights = place / huggingface.WEIGHTS
    match name:
        case "no config.json":
            config.unlink()
        case "not JSON":
            config.write_bytes(b"\xff{")
        case "not a table":
            config.write_text("[1]")
        case "unsupported":
            config.write_text(json.dumps(fields | {"rope_scaling": {"type": "yarn"}, "rope_parameters": None}))
        case "scaling factor":
            config.write_text(json.dumps(fields | {"rope_scaling": {"type": "linear", "factor": 0}}))
        case "model_type":
            config.write_text(json.dumps(fields | {"model_type": "mamba"}))
        case "not a Llama":
            config.write_text(json.dumps(fields | {"num_attention_heads": 0}))
        case "does not fit":
            config.write_text(json.dumps(fields | {"intermediate_size": 161}))
        case "cannot read":
            weights.write_bytes(weights.read_bytes()[:1000])
        case "Missing key":
            tensors = load_file(weights)
            del tensors["model.norm.weight"]
            save_file(tensors, weights)


@pytest.mark.parametrize(
    "name",
    ["no config.json", "not JSON", "not a table", "unsupported", "scaling factor", "model_type", "not a Llama",
     "does not fit", "cannot read", "Missing key"],
)  # fmt: skip
def test_a_bad_folder_is_refused_in_one_line(folder, tmp_path, name):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    broken(tmp_path, name)
    with pytest.raises(UserError) as error:
        huggingface.load(tmp_path)
    assert "\n" not in str(error.value)
    said = {"no config.json": "config.json", "not JSON": "config.json", "not a table": "not a Llama"}.get(name, name)
    assert said in str(error.value)
