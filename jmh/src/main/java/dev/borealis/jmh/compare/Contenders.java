package dev.borealis.jmh.compare;

import dev.borealis.backend.Backend;
import dev.borealis.jmh.peer.Mkl;
import dev.borealis.jmh.peer.OpenBlas;
import dev.borealis.jmh.peer.PeerUnavailableException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.function.Consumer;

/** Everyone who takes part. */
public final class Contenders {
  private Contenders() {}

  /**
   * Opens all that can be had.
   *
   * @param threads of every call
   * @param missing told why one can't be had
   * @return Borealis first
   */
  public static List<Contender> open(int threads, Consumer<String> missing) {
    List<Contender> contenders = new ArrayList<>();
    for (ContenderProvider provider : providers()) {
      try {
        contenders.add(provider.open(threads));
      } catch (PeerUnavailableException e) {
        missing.accept(provider.name() + " is missing: " + e.getMessage());
      }
    }
    return contenders;
  }

  /** {@return everyone, loaded or not; Borealis first} */
  static List<ContenderProvider> providers() {
    List<ContenderProvider> providers = new ArrayList<>();
    providers.add(provider(Borealis.NAME, threads -> new Borealis(Backend.require("panama"))));
    providers.add(provider("MKL", threads -> new BlasContender(Mkl.load(threads))));
    providers.add(provider("OpenBLAS", threads -> new BlasContender(OpenBlas.load(threads))));
    Iterator<ContenderProvider> found = ServiceLoader.load(ContenderProvider.class).iterator();
    while (true) {
      try {
        if (!found.hasNext()) {
          return providers;
        }
        providers.add(found.next());
      } catch (ServiceConfigurationError e) {
        // A build without the profile `bench` after one with it: the list is there, the class
        // isn't.
        System.out.println("Skipped: " + e.getMessage());
      }
    }
  }

  @FunctionalInterface
  private interface Opener {
    Contender open(int threads) throws PeerUnavailableException;
  }

  private static ContenderProvider provider(String name, Opener opener) {
    return new ContenderProvider() {
      @Override
      public String name() {
        return name;
      }

      @Override
      public Contender open(int threads) throws PeerUnavailableException {
        return opener.open(threads);
      }
    };
  }
}
