"""Measures how well a run of configs/video_similarity/copies.py knows altered copies of videos it was not trained on.

First pairs of excerpts of a folder of videos are told apart, by kind of alteration; then the whole videos are a gallery
in which altered excerpts look for their source. Excerpts and alterations are drawn anew, from another seed than that of
training. The folder may not be the one that the run was trained on.

Usage: python scripts/measure_copies.py RUN VIDEOS [--queries 200] [--bootstrap 1000]
"""

import argparse
import collections
import dataclasses
import itertools
import json
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

import jaxmm
from jaxmm.data.similar_videos import SimilarVideos
from jaxmm.data.video.clip import ActionVideo, FrameView
from jaxmm.data.video.copies import CopiedVideos
from jaxmm.data.video.reader import VideoReader
from jaxmm.errors import ConfigError, JaxmmError
from jaxmm.model import Model
from jaxmm.similarity.evaluation import scored_pairs

SEED = 1


def excerpts(source: CopiedVideos, **changes: float) -> CopiedVideos:
    """Returns the excerpts of all videos of a folder, none held out."""
    return dataclasses.replace(source, num_val=0, num_test=0, seed=SEED, max_excerpts=16, **changes)


def verification(model: Model, data: SimilarVideos, videos: Path, bootstrap: int) -> dict[str, float]:
    """Returns the scores of pairs of excerpts, each with its altered copies."""
    assert isinstance(data.source, CopiedVideos)
    data = dataclasses.replace(data, root=str(videos), source=excerpts(data.source))
    experiment = dataclasses.replace(model.experiment, data=data)
    there = Model(model.run, experiment, model.params, model.collections, model.step)
    return scored_pairs([there], split="train").metrics(num_resamples=bootstrap)


def queries(clips: Sequence[ActionVideo], count: int) -> Iterator[ActionVideo]:
    """Yields altered excerpts of all videos in turn, so that long videos ask no more than short ones."""
    rng = np.random.default_rng(SEED)
    by_source = collections.defaultdict[str, list[ActionVideo]](list)
    for clip in clips:
        if clip.tags["kind"] != "original":
            by_source[clip.tags["source"]].append(clip)
    shuffled = [[own[place] for place in rng.permutation(len(own))] for _, own in sorted(by_source.items())]
    in_turn = (clip for row in itertools.zip_longest(*shuffled) for clip in row if clip is not None)
    return itertools.islice(in_turn, count)


def search(model: Model, data: SimilarVideos, videos: Path, count: int) -> dict[str, float]:
    """Returns how often an altered excerpt finds its source first, by kind, and how often also its place."""
    assert isinstance(data.source, CopiedVideos)
    index = jaxmm.index_files(model, videos, report=partial(print, file=sys.stderr))
    source = excerpts(data.source, copies=8, stride=1.0)
    clips = [clip for recording in source.inventory(videos).recordings for clip in recording.read()]
    view = FrameView(fps=data.fps, frame_size=data.frame_size, max_frames=data.max_frames)
    found, asked, placed = collections.Counter[str](), collections.Counter[str](), 0
    with VideoReader() as reader:
        for clip in queries(clips, count):
            best = model.search([clip.frames(reader, view).pixels], index, k=1)[0]
            right = best.name == clip.tags["source"]
            asked[clip.tags["kind"]] += 1
            found[clip.tags["kind"]] += right
            placed += right and best.start < float(clip.tags["end"]) and best.end > float(clip.tags["start"])
    total = asked.total()
    return {
        "search/queries": total,
        "search/rank_1": found.total() / total,
        "search/rank_1_and_place": placed / total,
        **{f"search/{kind}/rank_1": found[kind] / asked[kind] for kind in sorted(asked)},
    }


def measured(run: Path, videos: Path, count: int, bootstrap: int) -> dict[str, float]:
    """Returns all scores of a run on a folder of videos."""
    model = jaxmm.load(run)
    data = model.experiment.data
    if not (isinstance(data, SimilarVideos) and isinstance(data.source, CopiedVideos)):
        raise ConfigError(f"{run}: was not trained on altered copies; train configs/video_similarity/copies.py")
    if videos.resolve() == Path(data.root).resolve():
        raise ConfigError(f"{videos}: {run} was trained on this folder; give videos that it has not seen")
    return verification(model, data, videos, bootstrap) | search(model, data, videos, count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("videos", type=Path)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--bootstrap", type=int, default=1000)
    chosen = parser.parse_args()
    if chosen.queries < 1 or chosen.bootstrap < 0:
        parser.error("give 1 query or more, and 0 draws or more")
    try:
        scores = measured(chosen.run, chosen.videos, chosen.queries, chosen.bootstrap)
    except JaxmmError as error:
        parser.error(str(error))
    print(json.dumps(scores, indent=2))


if __name__ == "__main__":
    main()
