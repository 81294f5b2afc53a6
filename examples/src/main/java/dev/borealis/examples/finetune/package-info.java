/**
 * Fine-tuning all-MiniLM-L6-v2 with adapters: WordNet's glosses are sorted into their lexicographer
 * files, by AuroRA's Algorithm 1 and its neighbours. Results go into docs/FINETUNING.md.
 */
@NullMarked
package dev.borealis.examples.finetune;

import org.jspecify.annotations.NullMarked;
