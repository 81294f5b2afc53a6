package dev.borealis.examples.encoder;

import dev.borealis.adapter.AdapterSpec;

/** The adapters shown, each at a rank that suits it. */
public enum Method {
  /** AuroRA with the rank and α of its paper. */
  AURORA("AuroRA") {
    @Override
    public AdapterSpec spec(int in, int out) {
      return AdapterSpec.aurora(in, out, 2).alpha(4).build();
    }
  },
  /** NoRA, which is made for larger ranks. */
  NORA("NoRA") {
    @Override
    public AdapterSpec spec(int in, int out) {
      return AdapterSpec.nora(in, out, 32).build();
    }
  },
  /** NoLoRA with its learnable Swish. */
  NOLORA("NoLoRA") {
    @Override
    public AdapterSpec spec(int in, int out) {
      return AdapterSpec.noLora(in, out, 8).build();
    }
  },
  /** LoRA, the linear baseline. */
  LORA("LoRA") {
    @Override
    public AdapterSpec spec(int in, int out) {
      return AdapterSpec.lora(in, out, 8).build();
    }
  };

  private final String title;

  Method(String title) {
    this.title = title;
  }

  /**
   * The name as papers spell it.
   *
   * @return for printing
   */
  public String title() {
    return title;
  }

  /**
   * Specifies this adapter for one linear layer.
   *
   * @param in width of the layer's input
   * @param out width of its output
   * @return no dropout, so that training and inference compute the same
   */
  public abstract AdapterSpec spec(int in, int out);
}
