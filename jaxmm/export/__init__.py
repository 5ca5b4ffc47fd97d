"""Export: what a run offers, and writing it as a file that runs without the system it came from."""

from jaxmm.export.parts import Part as Part
from jaxmm.export.parts import parts_of as parts_of
from jaxmm.export.write import export as export
