package dev.borealis.jmh.peer;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Unpacks shared libraries from the class path, once for all processes of a user. */
final class NativeFiles {
  private NativeFiles() {}

  /**
   * Unpacks files that are not there yet.
   *
   * @param peer whose libraries they are, with its version
   * @param resourceFolder where they are on the class path
   * @param names of the files
   * @return the folder with the files
   * @throws PeerUnavailableException if one isn't on the class path
   */
  static Path unpack(String peer, String resourceFolder, List<String> names)
      throws PeerUnavailableException {
    try {
      Path folder =
          Files.createDirectories(
              Path.of(
                  System.getProperty("java.io.tmpdir"),
                  "borealis-peers-" + System.getProperty("user.name"),
                  peer));
      for (String name : names) {
        Path file = folder.resolve(name);
        if (!Files.exists(file)) {
          unpack(peer, resourceFolder + "/" + name, file);
        }
      }
      return folder;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void unpack(String peer, String resource, Path file)
      throws IOException, PeerUnavailableException {
    try (InputStream in = open(resource)) {
      if (in == null) {
        throw new PeerUnavailableException(
            peer + ": no " + resource + " on the class path; run with -Pbench on Linux x86-64");
      }
      // Moved when complete, so that no process sees half a file.
      Path temporary = Files.createTempFile(file.getParent(), "unpacking", null);
      Files.copy(in, temporary, StandardCopyOption.REPLACE_EXISTING);
      Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE);
    }
  }

  private static @Nullable InputStream open(String resource) {
    return NativeFiles.class.getClassLoader().getResourceAsStream(resource);
  }
}
