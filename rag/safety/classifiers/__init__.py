"""Classifiers by name, beside the shipped heads: all give probabilities for labels of ours.

types              what a classifier is
names, labels, local  what config may say, what a model's own classes are to us, where it lies
shipped            the heads that come with the package
hub, parts         published text classifiers on this machine, and texts longer than they read
generative         models that say safe or unsafe, each asked in the words that it was trained on
templates          those words, one TOML file a family
cascade            cheap first, expensive where the cheap one is unsure
filter, opening    a classifier as the guard's filter, put together by name
"""
