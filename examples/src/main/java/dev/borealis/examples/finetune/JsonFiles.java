package dev.borealis.examples.finetune;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/** Records as JSON files, which appear at once or not at all. */
final class JsonFiles {
  private static final Gson GSON = new GsonBuilder().create();

  private JsonFiles() {}

  static void write(Path file, Object value) throws IOException {
    Files.createDirectories(file.toAbsolutePath().getParent());
    Path staged = file.resolveSibling(file.getFileName() + ".part");
    Files.writeString(staged, GSON.toJson(value) + "\n");
    Files.move(staged, file, StandardCopyOption.ATOMIC_MOVE);
  }

  static <T> T read(Path file, Class<T> type) throws IOException {
    return GSON.fromJson(Files.readString(file), type);
  }
}
