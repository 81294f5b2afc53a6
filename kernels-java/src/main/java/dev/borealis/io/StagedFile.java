package dev.borealis.io;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.UUID;

/**
 * A file that is whole and on the disk, but under another name in the folder where it belongs:
 * {@link #commit} moves it into place in one step, {@link #close} deletes what was not committed.
 */
final class StagedFile implements AutoCloseable {
  private final Path target;
  private final Path temporary;

  private StagedFile(Path target, Path temporary) {
    this.target = target;
    this.temporary = temporary;
  }

  /** Writes the bytes of a file. */
  @FunctionalInterface
  interface Content {
    void writeTo(FileChannel channel) throws IOException;
  }

  /**
   * Writes the content beside the path and forces it to the disk.
   *
   * @throws IOException if that fails; nothing is left behind
   */
  static StagedFile write(Path path, Content content) throws IOException {
    Path target = path.toAbsolutePath();
    Path temporary = target.resolveSibling("." + UUID.randomUUID() + ".tmp");
    boolean whole = false;
    try {
      // Not Files.createTempFile: its files stay closed to everybody but the owner.
      try (FileChannel channel =
          FileChannel.open(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
        content.writeTo(channel);
        channel.force(true);
      }
      whole = true;
    } finally {
      if (!whole) {
        Files.deleteIfExists(temporary);
      }
    }
    return new StagedFile(target, temporary);
  }

  /** Moves the file over its path. */
  void commit() throws IOException {
    Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
  }

  @Override
  public void close() throws IOException {
    Files.deleteIfExists(temporary);
  }
}
