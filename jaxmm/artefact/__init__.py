"""Exported files: reading and running what `jaxmm export` wrote, without the system that it came from."""

from jaxmm.artefact.metadata import Metadata as Metadata
from jaxmm.artefact.metadata import Tensor as Tensor
from jaxmm.artefact.running import Artefact as Artefact
from jaxmm.artefact.running import load as load
from jaxmm.artefact.running import read_metadata as read_metadata
