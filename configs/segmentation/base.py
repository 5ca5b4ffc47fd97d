"""MS-TCN as it was published, on features of 2,048 numbers a frame.

Name your folder by --data.root, and the number of labels of its mapping.txt by --task.head.num_labels.
"""

from jaxmm import Experiment, Loop, MultiStageTcn, SegmentationFolder, SegmentationTask, SegmentedVideos


def get_config() -> Experiment:
    """Returns the experiment."""
    return Experiment(
        task=SegmentationTask(head=MultiStageTcn(num_labels=19)),
        data=SegmentedVideos(source=SegmentationFolder(dim=(2048,)), val_fraction=0.0, standardize=False, batch_size=1),
        loop=Loop(epochs=50, evaluate_every=0, save_every=10),
    )
