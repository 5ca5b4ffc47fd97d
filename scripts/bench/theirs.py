"""The cases in plain PyTorch, by the references of the parity tests, each a function that is to be timed."""

from collections.abc import Callable

import torch
import torch_alignment
import torch_clip_har
import torch_reference
import torch_resnet
import torch_similarity
import torch_text2sign
import transformers

from bench.sizes import (
    BATCH,
    NOISE_DIM,
    PAIR_DIM,
    PAIR_FRAMES,
    PAIRS,
    SIGN_BATCH,
    SIGN_DIM,
    SIGN_FRAMES,
    TOKENS,
    VIDEO_DIM,
    VIDEO_FRAMES,
    VIDEO_REACH,
    VIDEOS,
    arrays,
    clips,
    frames,
    images,
    sign_arrays,
    videos,
)

Call = Callable[[], object]
SIMILARITY = {"siamese_head": "siamese", "triplet_head": "triplet", "attention_siamese": "attention"}


def make(case: str) -> Call:
    """Returns what a case times."""
    torch.manual_seed(0)
    if case == "query":
        return query()
    if case == "tcn_step":
        return torch_alignment.train_step_of(batch=VIDEOS, time=VIDEO_FRAMES, dim=VIDEO_DIM)
    if case.startswith("tcn"):
        return alignment(case)
    if case.startswith("gan"):
        return signing(case)
    if case.startswith("resnet"):
        return seeing()
    if case == "clip_image":
        return vision()
    if case.startswith("clip"):
        return actions(case)
    if case in SIMILARITY:
        return torch_similarity.train_step_of(SIMILARITY[case], batch=PAIRS, time=PAIR_FRAMES, dim=PAIR_DIM)
    return encoder(case) if case.startswith("encoder") else text_train()


def motions() -> torch.Tensor:
    return torch.from_numpy(arrays()["motion"]).permute(0, 2, 1, 3)


def query() -> Call:
    """The source's loop, which embeds each motion of the gallery anew; `BATCH` of them are timed."""
    model, motion = torch_reference.DanceEncoder(mixed_axes=False).eval(), motions()
    text = torch.nn.functional.normalize(torch.randn(1, 256), dim=1)

    def search() -> None:
        with torch.no_grad():
            similarities = [
                torch.nn.functional.cosine_similarity(text, model(motion[place : place + 1])).item()
                for place in range(BATCH)
            ]
        torch.tensor(similarities).topk(10)

    return search


def encoder(case: str) -> Call:
    model, motion = torch_reference.DanceEncoder(mixed_axes=False), motions()
    if case == "encoder_infer":
        model.eval()

        def infer() -> None:
            with torch.inference_mode():
                model(motion)

        return infer
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, weight_decay=1e-5)

    def train() -> None:
        optimizer.zero_grad()
        (model(motion) - 0.1).square().sum(1).mean().backward()
        optimizer.step()

    return train


def text_train() -> Call:
    backbone = transformers.DistilBertModel(transformers.DistilBertConfig()).train()
    for parameter in list(backbone.parameters())[:-4]:
        parameter.requires_grad = False
    tower, motion = torch_reference.DanceEncoder(mixed_axes=False).train(), motions()
    model = torch_reference.TwoTowers(tower, torch_reference.ProjectionHead())
    optimizer, _ = torch_reference.optimizer_and_scheduler(model)
    optimizer.add_param_group({"params": list(backbone.parameters())[-4:], "lr": 3e-5})
    token_ids = torch.from_numpy(arrays()["token_ids"]).long()
    mask = torch.ones_like(token_ids)

    def train() -> None:
        optimizer.zero_grad()
        text = model.text_encoder(backbone(input_ids=token_ids, attention_mask=mask).last_hidden_state[:, 0])
        torch_reference.compute_loss(tower(motion), text).backward()
        optimizer.step()

    return train


def alignment(case: str) -> Call:
    """Whole videos; or one frame more, for which the convolutions see again all frames that they look at."""
    streams = case == "tcn_stream"
    model = torch_alignment.AlignmentModel(causal=streams).eval()
    features = torch.from_numpy(videos()["features"])
    seen = features[:1, :VIDEO_REACH] if streams else features

    def embed() -> None:
        with torch.inference_mode():
            model(seen)

    return embed


def seeing() -> Call:
    model = torch_resnet.TorchResNet().eval().to(memory_format=torch.channels_last)
    decoded = torch.from_numpy(frames()[0])
    mean, std = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])

    def see() -> None:
        with torch.inference_mode():
            # Permuted, channels stay last in memory.
            model(((decoded.float() - mean) / std).permute(0, 3, 1, 2))

    return see


def signing(case: str) -> Call:
    rows = 1 if case.endswith("_1") else SIGN_BATCH
    frames, states, noise = (torch.from_numpy(values[:rows]) for values in sign_arrays().values())
    text_mask, frame_mask = torch.ones(rows, TOKENS).bool(), torch.ones(rows, SIGN_FRAMES).bool()
    model = torch_text2sign.Text2Sign()
    if case != "gan_step":
        model.eval()

        def generate() -> None:
            with torch.inference_mode():
                model.generate(states, text_mask, noise)

        return generate
    optimizers = torch_text2sign.make_optimizers(model)
    statistics = torch_text2sign.Statistics(torch.zeros(SIGN_DIM), torch.ones(SIGN_DIM))

    def train() -> None:
        z = torch.randn(rows, SIGN_FRAMES, NOISE_DIM)
        torch_text2sign.alternating_step(model, optimizers, states, text_mask, frames, frame_mask, statistics, z)

    return train


def vision() -> Call:
    model = transformers.CLIPVisionModelWithProjection(transformers.CLIPVisionConfig(projection_dim=512)).eval()
    pixels = torch.from_numpy(images()).permute(0, 3, 1, 2).contiguous()

    def embed() -> None:
        with torch.inference_mode():
            model(pixel_values=pixels)

    return embed


def actions(case: str) -> Call:
    given = clips()
    model = torch_clip_har.Classifier(temporal=case == "clip_temporal").train()
    labels = torch.from_numpy(given["labels"]).long()
    return torch_clip_har.train_step_of(model, torch.from_numpy(given["features"]), labels)
