package dev.borealis.examples.finetune;

/**
 * A sentence with its class.
 *
 * @param tokens from [CLS] to [SEP]
 * @param label 0 to {@link GlossSplit#CLASSES} − 1
 */
@SuppressWarnings("ArrayRecordComponent") // never compared, only read
record Example(int[] tokens, int label) {}
