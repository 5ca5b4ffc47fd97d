"""jaxmm: joint representations of human motion, video and language in JAX and Flax.

Public names are imported on first use, so that `import jaxmm` costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxmm.actions.files import classify_files as classify_files
    from jaxmm.actions.streams import Watcher as Watcher
    from jaxmm.artefact.running import Artefact as Artefact
    from jaxmm.data.action_videos import ActionVideos as ActionVideos
    from jaxmm.data.comparing import CopyPairs as CopyPairs
    from jaxmm.data.comparing import LabelPairs as LabelPairs
    from jaxmm.data.images import ImagePreparation as ImagePreparation
    from jaxmm.data.listed_pairs import ListedPairs as ListedPairs
    from jaxmm.data.motion import Motion as Motion
    from jaxmm.data.motion import Skeleton as Skeleton
    from jaxmm.data.motion_text import MotionText as MotionText
    from jaxmm.data.prompts import Prompts as Prompts
    from jaxmm.data.segmentation.sources import ProceduralSegments as ProceduralSegments
    from jaxmm.data.segmentation.sources import SegmentationFolder as SegmentationFolder
    from jaxmm.data.segmentation.video import LabelledVideo as LabelledVideo
    from jaxmm.data.segmentation.vocabulary import Vocabulary as Vocabulary
    from jaxmm.data.segmented import SegmentedVideos as SegmentedVideos
    from jaxmm.data.sign.clip import SignClip as SignClip
    from jaxmm.data.sign.sources import ProceduralSigns as ProceduralSigns
    from jaxmm.data.sign.sources import SignFolder as SignFolder
    from jaxmm.data.sign.sources import SpelledWords as SpelledWords
    from jaxmm.data.sign_text import SignText as SignText
    from jaxmm.data.similar_videos import SimilarVideos as SimilarVideos
    from jaxmm.data.sources import AmcFolder as AmcFolder
    from jaxmm.data.sources import BvhFolder as BvhFolder
    from jaxmm.data.sources import C3dFolder as C3dFolder
    from jaxmm.data.sources import HumanMl3dFolder as HumanMl3dFolder
    from jaxmm.data.sources import MotionFolder as MotionFolder
    from jaxmm.data.sources import ProceduralMotions as ProceduralMotions
    from jaxmm.data.sources import SignMotions as SignMotions
    from jaxmm.data.splits import FileSplit as FileSplit
    from jaxmm.data.splits import HashSplit as HashSplit
    from jaxmm.data.splits import TagSplit as TagSplit
    from jaxmm.data.transforms import Augmentation as Augmentation
    from jaxmm.data.video.augmentation import ClipAugmentation as ClipAugmentation
    from jaxmm.data.video.benchmarks import KineticsTables as KineticsTables
    from jaxmm.data.video.benchmarks import Ucf101Lists as Ucf101Lists
    from jaxmm.data.video.cache import FeatureCache as FeatureCache
    from jaxmm.data.video.copied_pairs import copied_pairs as copied_pairs
    from jaxmm.data.video.copies import CopiedVideos as CopiedVideos
    from jaxmm.data.video.folders import ClassFolders as ClassFolders
    from jaxmm.data.video.folders import VideoTable as VideoTable
    from jaxmm.data.video.reader import VideoReader as VideoReader
    from jaxmm.data.video.sampling import DenseFrames as DenseFrames
    from jaxmm.data.video.sampling import SegmentFrames as SegmentFrames
    from jaxmm.data.video.sampling import UniformFrames as UniformFrames
    from jaxmm.data.video.sources import ProceduralVideos as ProceduralVideos
    from jaxmm.data.video.webcam import Webcam as Webcam
    from jaxmm.encoders.clip import Clip as Clip
    from jaxmm.encoders.clip import ClipText as ClipText
    from jaxmm.encoders.clip import ClipVision as ClipVision
    from jaxmm.encoders.efficientnet import EfficientNetLite as EfficientNetLite
    from jaxmm.encoders.heads import ClassifierHead as ClassifierHead
    from jaxmm.encoders.heads import ProjectionHead as ProjectionHead
    from jaxmm.encoders.pooling import AttentionPooling as AttentionPooling
    from jaxmm.encoders.pose import PoseConvGru as PoseConvGru
    from jaxmm.encoders.pose_transformer import PosePatchVit as PosePatchVit
    from jaxmm.encoders.pose_transformer import PoseTransformer as PoseTransformer
    from jaxmm.encoders.resnet import ResNet as ResNet
    from jaxmm.encoders.sign_autoencoder import SignAutoencoder as SignAutoencoder
    from jaxmm.encoders.similarity import AttentionEncoder as AttentionEncoder
    from jaxmm.encoders.similarity import BottleneckEncoder as BottleneckEncoder
    from jaxmm.encoders.similarity import EmbeddingTrunk as EmbeddingTrunk
    from jaxmm.encoders.similarity import FusionEncoder as FusionEncoder
    from jaxmm.encoders.similarity import GraphEncoder as GraphEncoder
    from jaxmm.encoders.similarity import HierarchicalEncoder as HierarchicalEncoder
    from jaxmm.encoders.similarity import MultiScaleEncoder as MultiScaleEncoder
    from jaxmm.encoders.similarity import PairHead as PairHead
    from jaxmm.encoders.similarity import PooledTrunk as PooledTrunk
    from jaxmm.encoders.similarity import PyramidEncoder as PyramidEncoder
    from jaxmm.encoders.similarity import ResidualEncoder as ResidualEncoder
    from jaxmm.encoders.similarity import SiameseNetwork as SiameseNetwork
    from jaxmm.encoders.similarity import SkipEncoder as SkipEncoder
    from jaxmm.encoders.similarity import TcnEncoder as TcnEncoder
    from jaxmm.encoders.tcn import FrameProjector as FrameProjector
    from jaxmm.encoders.tcn import MultiStageTcn as MultiStageTcn
    from jaxmm.encoders.tcn import TemporalConvNet as TemporalConvNet
    from jaxmm.encoders.temporal import TemporalFusion as TemporalFusion
    from jaxmm.encoders.text import TransformerText as TransformerText
    from jaxmm.experiment import Experiment as Experiment
    from jaxmm.generators.critics import SignCritic as SignCritic
    from jaxmm.generators.sign import SignGenerator as SignGenerator
    from jaxmm.horizon import Stage as Stage
    from jaxmm.model import Model as Model
    from jaxmm.model import load as load
    from jaxmm.motions.index import Index as Index
    from jaxmm.numerics import Numerics as Numerics
    from jaxmm.objectives.contrastive import nt_xent as nt_xent
    from jaxmm.objectives.contrastive import pairwise_sigmoid as pairwise_sigmoid
    from jaxmm.objectives.contrastive import symmetric_infonce as symmetric_infonce
    from jaxmm.objectives.metric_settings import Angular as Angular
    from jaxmm.objectives.metric_settings import MultiSimilarity as MultiSimilarity
    from jaxmm.objectives.metric_settings import NPair as NPair
    from jaxmm.objectives.metric_settings import PairContrastive as PairContrastive
    from jaxmm.objectives.metric_settings import SupervisedContrastive as SupervisedContrastive
    from jaxmm.objectives.metric_settings import Triplet as Triplet
    from jaxmm.objectives.settings import Contrastive as Contrastive
    from jaxmm.objectives.sign import SignObjective as SignObjective
    from jaxmm.optim import AdamW as AdamW
    from jaxmm.optim import Group as Group
    from jaxmm.similarity.architectures import with_architecture as with_architecture
    from jaxmm.similarity.compare import architectures_of as architectures_of
    from jaxmm.similarity.compare import compare_architectures as compare_architectures
    from jaxmm.similarity.files import index_files as index_files
    from jaxmm.similarity.files import search_files as search_files
    from jaxmm.similarity.files import similar_files as similar_files
    from jaxmm.similarity.index import VideoIndex as VideoIndex
    from jaxmm.similarity.landscape import loss_landscape as loss_landscape
    from jaxmm.similarity.margins import study_margins as study_margins
    from jaxmm.tasks.clip_har import ClipHarTask as ClipHarTask
    from jaxmm.tasks.dance_text import DanceTextTask as DanceTextTask
    from jaxmm.tasks.segmentation import SegmentationTask as SegmentationTask
    from jaxmm.tasks.semantic_alignment import SemanticAlignmentTask as SemanticAlignmentTask
    from jaxmm.tasks.semantics import Semantics as Semantics
    from jaxmm.tasks.sign_autoencoder import SignAutoencoderTask as SignAutoencoderTask
    from jaxmm.tasks.text2sign import Text2SignTask as Text2SignTask
    from jaxmm.tasks.video_similarity import VideoSimilarityTask as VideoSimilarityTask
    from jaxmm.tasks.visual import FrameEncoder as FrameEncoder
    from jaxmm.train.loop import Loop as Loop
    from jaxmm.train.step import Devices as Devices
    from jaxmm.weights import Freeze as Freeze
    from jaxmm.weights import HFFlaxBackbone as HFFlaxBackbone

_HOMES = {
    # Describing an experiment
    "Experiment": "jaxmm.experiment",
    "Loop": "jaxmm.train.loop",
    "Devices": "jaxmm.train.step",
    "Stage": "jaxmm.horizon",
    "Numerics": "jaxmm.numerics",
    "AdamW": "jaxmm.optim",
    "Group": "jaxmm.optim",
    "DanceTextTask": "jaxmm.tasks.dance_text",
    "Text2SignTask": "jaxmm.tasks.text2sign",
    "SignAutoencoderTask": "jaxmm.tasks.sign_autoencoder",
    "SemanticAlignmentTask": "jaxmm.tasks.semantic_alignment",
    "SegmentationTask": "jaxmm.tasks.segmentation",
    "Semantics": "jaxmm.tasks.semantics",
    "FrameEncoder": "jaxmm.tasks.visual",
    "VideoSimilarityTask": "jaxmm.tasks.video_similarity",
    "ClipHarTask": "jaxmm.tasks.clip_har",
    "Contrastive": "jaxmm.objectives.settings",
    "PairContrastive": "jaxmm.objectives.metric_settings",
    "Triplet": "jaxmm.objectives.metric_settings",
    "NPair": "jaxmm.objectives.metric_settings",
    "Angular": "jaxmm.objectives.metric_settings",
    "SupervisedContrastive": "jaxmm.objectives.metric_settings",
    "MultiSimilarity": "jaxmm.objectives.metric_settings",
    "SignObjective": "jaxmm.objectives.sign",
    "Freeze": "jaxmm.weights",
    # Data
    "Motion": "jaxmm.data.motion",
    "Skeleton": "jaxmm.data.motion",
    "MotionText": "jaxmm.data.motion_text",
    "ProceduralMotions": "jaxmm.data.sources",
    "MotionFolder": "jaxmm.data.sources",
    "BvhFolder": "jaxmm.data.sources",
    "AmcFolder": "jaxmm.data.sources",
    "C3dFolder": "jaxmm.data.sources",
    "HumanMl3dFolder": "jaxmm.data.sources",
    "SegmentedVideos": "jaxmm.data.segmented",
    "SignClip": "jaxmm.data.sign.clip",
    "SignText": "jaxmm.data.sign_text",
    "ProceduralSigns": "jaxmm.data.sign.sources",
    "SignFolder": "jaxmm.data.sign.sources",
    "SignMotions": "jaxmm.data.sources",
    "SpelledWords": "jaxmm.data.sign.sources",
    "LabelledVideo": "jaxmm.data.segmentation.video",
    "Vocabulary": "jaxmm.data.segmentation.vocabulary",
    "ProceduralSegments": "jaxmm.data.segmentation.sources",
    "SegmentationFolder": "jaxmm.data.segmentation.sources",
    "ActionVideos": "jaxmm.data.action_videos",
    "SimilarVideos": "jaxmm.data.similar_videos",
    "LabelPairs": "jaxmm.data.comparing",
    "CopyPairs": "jaxmm.data.comparing",
    "ListedPairs": "jaxmm.data.listed_pairs",
    "ProceduralVideos": "jaxmm.data.video.sources",
    "ClassFolders": "jaxmm.data.video.folders",
    "VideoTable": "jaxmm.data.video.folders",
    "KineticsTables": "jaxmm.data.video.benchmarks",
    "Ucf101Lists": "jaxmm.data.video.benchmarks",
    "CopiedVideos": "jaxmm.data.video.copies",
    "copied_pairs": "jaxmm.data.video.copied_pairs",
    "UniformFrames": "jaxmm.data.video.sampling",
    "SegmentFrames": "jaxmm.data.video.sampling",
    "DenseFrames": "jaxmm.data.video.sampling",
    "ClipAugmentation": "jaxmm.data.video.augmentation",
    "VideoReader": "jaxmm.data.video.reader",
    "FeatureCache": "jaxmm.data.video.cache",
    "HashSplit": "jaxmm.data.splits",
    "FileSplit": "jaxmm.data.splits",
    "TagSplit": "jaxmm.data.splits",
    "Augmentation": "jaxmm.data.transforms",
    "ImagePreparation": "jaxmm.data.images",
    "Prompts": "jaxmm.data.prompts",
    # Modules and losses
    "PoseConvGru": "jaxmm.encoders.pose",
    "PoseTransformer": "jaxmm.encoders.pose_transformer",
    "PosePatchVit": "jaxmm.encoders.pose_transformer",
    "TransformerText": "jaxmm.encoders.text",
    "HFFlaxBackbone": "jaxmm.weights",
    "Clip": "jaxmm.encoders.clip",
    "ClipVision": "jaxmm.encoders.clip",
    "ClipText": "jaxmm.encoders.clip",
    "EfficientNetLite": "jaxmm.encoders.efficientnet",
    "ResNet": "jaxmm.encoders.resnet",
    "AttentionPooling": "jaxmm.encoders.pooling",
    "ProjectionHead": "jaxmm.encoders.heads",
    "ClassifierHead": "jaxmm.encoders.heads",
    "TemporalFusion": "jaxmm.encoders.temporal",
    "TemporalConvNet": "jaxmm.encoders.tcn",
    "FrameProjector": "jaxmm.encoders.tcn",
    "MultiStageTcn": "jaxmm.encoders.tcn",
    "PooledTrunk": "jaxmm.encoders.similarity",
    "AttentionEncoder": "jaxmm.encoders.similarity",
    "HierarchicalEncoder": "jaxmm.encoders.similarity",
    "TcnEncoder": "jaxmm.encoders.similarity",
    "ResidualEncoder": "jaxmm.encoders.similarity",
    "BottleneckEncoder": "jaxmm.encoders.similarity",
    "MultiScaleEncoder": "jaxmm.encoders.similarity",
    "SkipEncoder": "jaxmm.encoders.similarity",
    "PyramidEncoder": "jaxmm.encoders.similarity",
    "GraphEncoder": "jaxmm.encoders.similarity",
    "FusionEncoder": "jaxmm.encoders.similarity",
    "EmbeddingTrunk": "jaxmm.encoders.similarity",
    "PairHead": "jaxmm.encoders.similarity",
    "SiameseNetwork": "jaxmm.encoders.similarity",
    "SignGenerator": "jaxmm.generators.sign",
    "SignCritic": "jaxmm.generators.critics",
    "SignAutoencoder": "jaxmm.encoders.sign_autoencoder",
    "symmetric_infonce": "jaxmm.objectives.contrastive",
    "nt_xent": "jaxmm.objectives.contrastive",
    "pairwise_sigmoid": "jaxmm.objectives.contrastive",
    # Using a trained run; training and evaluating one are `jaxmm.run.train` and `jaxmm.evaluation.evaluate`
    "load": "jaxmm.model",
    "Model": "jaxmm.model",
    "Index": "jaxmm.motions.index",
    "classify_files": "jaxmm.actions.files",
    "VideoIndex": "jaxmm.similarity.index",
    "similar_files": "jaxmm.similarity.files",
    "index_files": "jaxmm.similarity.files",
    "search_files": "jaxmm.similarity.files",
    "with_architecture": "jaxmm.similarity.architectures",
    "architectures_of": "jaxmm.similarity.compare",
    "compare_architectures": "jaxmm.similarity.compare",
    "loss_landscape": "jaxmm.similarity.landscape",
    "study_margins": "jaxmm.similarity.margins",
    "Watcher": "jaxmm.actions.streams",
    "Webcam": "jaxmm.data.video.webcam",
    "Artefact": "jaxmm.artefact.running",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'jaxmm' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
