package dev.borealis.io;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** Builds the bytes of GGUF files, well-formed or not. */
@SuppressWarnings("ByteBufferBackingArray") // number() allocates them
final class GgufBytes {
  static final int U32 = 4;
  static final int F32 = 6;
  static final int STRING = 8;
  static final int ARRAY = 9;

  int magic = 0x46554747;
  int version = 3;
  int alignment = 32;
  private long valueCount;
  private long tensorCount;
  private final ByteArrayOutputStream values = new ByteArrayOutputStream();
  private final ByteArrayOutputStream infos = new ByteArrayOutputStream();
  private final ByteArrayOutputStream data = new ByteArrayOutputStream();
  private final List<byte[]> tail = new ArrayList<>();

  /** A LoRA's metadata without alpha. */
  static GgufBytes lora() {
    return new GgufBytes()
        .text("general.type", "adapter")
        .text("adapter.type", "lora")
        .text("general.architecture", "llama");
  }

  GgufBytes text(String key, String value) {
    return value(key, STRING, text(value));
  }

  GgufBytes alpha(float alpha) {
    return value("adapter.lora.alpha", F32, number(4).putFloat(alpha).array());
  }

  GgufBytes align(int bytes) {
    alignment = bytes;
    return value("general.alignment", U32, number(4).putInt(bytes).array());
  }

  GgufBytes value(String key, int type, byte[] value) {
    valueCount++;
    values.writeBytes(text(key));
    values.writeBytes(number(4).putInt(type).array());
    values.writeBytes(value);
    return this;
  }

  /** An F32 tensor where it belongs; ne is in the file's order, fastest first. */
  GgufBytes tensor(String name, float[] elements, long... ne) {
    ByteBuffer bytes = number(elements.length * 4);
    for (float element : elements) {
      bytes.putFloat(element);
    }
    return tensor(name, 0, bytes.array(), ne);
  }

  GgufBytes tensor(String name, int type, byte[] bytes, long... ne) {
    pad(data);
    return tensorAt(name, type, data.size(), bytes, ne);
  }

  GgufBytes tensorAt(String name, int type, long offset, byte[] bytes, long... ne) {
    tensorCount++;
    infos.writeBytes(text(name));
    ByteBuffer info = number(4 + 8 * ne.length + 4 + 8).putInt(ne.length);
    for (long dimension : ne) {
      info.putLong(dimension);
    }
    infos.writeBytes(info.putInt(type).putLong(offset).array());
    data.writeBytes(bytes);
    return this;
  }

  GgufBytes claim(long tensors, long values) {
    tensorCount = tensors;
    valueCount = values;
    return this;
  }

  GgufBytes after(byte[] bytes) {
    tail.add(bytes);
    return this;
  }

  byte[] bytes() {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(
        number(24).putInt(magic).putInt(version).putLong(tensorCount).putLong(valueCount).array());
    out.writeBytes(values.toByteArray());
    out.writeBytes(infos.toByteArray());
    pad(out);
    out.writeBytes(data.toByteArray());
    tail.forEach(out::writeBytes);
    return out.toByteArray();
  }

  private void pad(ByteArrayOutputStream out) {
    while (out.size() % alignment != 0) {
      out.write(0);
    }
  }

  static byte[] text(String text) {
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    return number(8 + utf8.length).putLong(utf8.length).put(utf8).array();
  }

  static ByteBuffer number(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }
}
