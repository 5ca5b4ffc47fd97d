"""The smallest alignment that learns: synthetic recipe videos, and descriptions as sums of random vectors of words.

Five of the 25 actions are only in the test videos, so that their descriptions are all that is known of them. Trains in
half a minute on one CPU core; used by the tests.
"""

from jaxmm import (
    AdamW,
    Experiment,
    FrameProjector,
    Group,
    Loop,
    ProceduralSegments,
    SegmentedVideos,
    SemanticAlignmentTask,
    Semantics,
    TemporalConvNet,
)


def get_config() -> Experiment:
    """Returns the experiment."""
    source = ProceduralSegments(num_unseen=5)
    return Experiment(
        task=SemanticAlignmentTask(
            encoder=TemporalConvNet(dims=(64, 64, 64), dropout_rate=0.2),
            projector=FrameProjector(hidden_dim=128, embedding_dim=64, dropout_rate=0.2),
            semantics=Semantics(source="words", words_dim=64),
            num_labels=27,
            optimizer=AdamW(
                lr=3e-3,
                end_lr=1e-5,
                clip_norm=0.5,
                groups=(
                    Group(pattern="^encoder/", lr_scale=0.5, weight_decay=1e-4),
                    Group(pattern="^projector/", weight_decay=1e-3),
                ),
            ),
        ),
        data=SegmentedVideos(
            source=source,
            null_labels=("null",),
            wrong_labels=("wrong",),
            unseen_labels=source.unseen,
            max_frames=192,  # so few that nearly all batches have one length, which is compiled once
        ),
        loop=Loop(
            epochs=20, evaluate_every=1, save_every=1, best_metric="val/all/mse_loss", best_is="smaller", patience=10
        ),
    )
