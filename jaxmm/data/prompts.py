"""Sentences that hold a label, by which a model of language and images knows it."""

import dataclasses
from collections.abc import Sequence

from jaxmm.errors import ConfigError, brief

_PLACE = "{}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prompts:
    """Templates of sentences, in each of which `{}` stands for the label.

    Attributes:
        templates: One or more, distinct; the embedding of a label is made of those of all its sentences.

    Raises:
        ConfigError: If there is no template, one is there twice, or one does not hold a single `{}`.

    Example:
        >>> Prompts().texts(["waving"])
        ('a video of a person waving.',)

    Reference: CLIP, arXiv:2103.00020, section 3.1.4; seed 001.
    """

    templates: tuple[str, ...] = ("a video of a person {}.",)

    def __post_init__(self) -> None:
        if not self.templates or len(set(self.templates)) != len(self.templates):
            raise ConfigError(f"prompts.templates is {brief(self.templates)}; give one template or more, each once")
        for template in self.templates:
            if template.count(_PLACE) != 1:
                raise ConfigError(
                    f"prompts.templates: {brief(template)} holds {{}} {template.count(_PLACE)} times; write it once, "
                    "where the label is to stand"
                )

    def texts(self, labels: Sequence[str]) -> tuple[str, ...]:
        """Returns the sentences of all labels: those of the first by each template in order, then the next label's.

        Example:
            >>> Prompts(templates=("{}", "a photo of {}.")).texts(["running", "a jump"])
            ('running', 'a photo of running.', 'a jump', 'a photo of a jump.')
        """
        return tuple(template.replace(_PLACE, label) for label in labels for template in self.templates)
