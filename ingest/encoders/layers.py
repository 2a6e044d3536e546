"""A text as an encoder sees it at several depths: more than its sentence vector says of it.

What a sentence is about stands in the last layer; how it is put (who does what to whom) is plainer
further down (Tenney et al., "BERT Rediscovers the Classical NLP Pipeline", ACL 2019). All of it
falls out of the one pass that makes the sentence vector.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ingest.encoders.bert import Array, Bert, BertConfig, Linear, Node, constant

# Sentence vector; means at a lower and a higher depth; greatest values at the last and the higher.
VIEWS = 5
_FAR = 1e9


def depths(layers: int) -> tuple[int, int]:
    """The numbers, from 1, of the layers a third and two thirds of the way up."""
    return max(1, layers // 3), max(1, 2 * layers // 3)


class LayeredBert(Bert):
    """A BERT graph that can give `views` as a further result; made for one graph."""

    def __init__(self, config: BertConfig, weights: Mapping[str, Array], linear: Linear) -> None:
        super().__init__(config, weights, linear)
        self._depths = depths(config.layers)
        self._seen: list[Node] = []
        self._mask: Node = None

    def views(self) -> Sequence[Node]:
        """One result of shape (texts, 4 * dimension): all views but the sentence vector."""
        low, high = (self._seen[depth - 1] for depth in self._depths)
        means = [self._mean(states, self._mask) for states in (low, high)]
        peaks = [self._greatest(states) for states in (self._seen[-1], high)]
        return [self._op.concat([*means, *peaks], 1)]

    def _layer(self, prefix: str, states: Node, bias: Node) -> Node:
        self._seen.append(super()._layer(prefix, states, bias))
        return self._seen[-1]

    def _pooled(self, states: Node, mask: Node) -> Node:
        self._mask = mask
        return super()._pooled(states, mask)

    def _greatest(self, states: Node) -> Node:
        op = self._op
        one, far = constant(np.float32(1)), constant(np.float32(_FAR))
        absent = op.unsqueeze(op.multiply(op.subtract(self._mask, one), far), constant(2))
        return op.reduce_max(op.add(states, absent), constant([1]), False)
