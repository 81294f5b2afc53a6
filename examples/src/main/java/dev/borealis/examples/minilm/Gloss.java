package dev.borealis.examples.minilm;

/**
 * A noun synset of WordNet.
 *
 * @param offset its place in data.noun, in bytes: the synset's identifier
 * @param lemma its first word, with spaces for underscores
 * @param definition what it means, without usage examples
 * @param lexicographerFile number of the lexicographer file it comes from: 3 = top level, 4 = acts,
 *     5 = animals … 28 = times
 */
public record Gloss(int offset, String lemma, String definition, int lexicographerFile) {}
