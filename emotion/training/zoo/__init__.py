"""The networks that can be trained here: their cards without Keras (`cards`), and how they are built (`build`)."""

from emotion.training.zoo.cards import NetworkCard, card_of, networks

__all__ = ["NetworkCard", "card_of", "networks"]
