package dev.borealis.io;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/** Reads little-endian values one after the other, and never past the end. */
final class GgufCursor {
  private static final ValueLayout.OfShort I16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfInt I32 =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfLong I64 =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  /** Longest key, tensor name, and string that is kept. */
  private static final int MAX_STRING = 1 << 16;

  private final MemorySegment file;
  private final String source;
  private long position;

  GgufCursor(MemorySegment file, String source) {
    this.file = file;
    this.source = source;
  }

  long position() {
    return position;
  }

  long remaining() {
    return file.byteSize() - position;
  }

  int u8(String what) throws GgufException {
    return file.get(ValueLayout.JAVA_BYTE, advance(1, what)) & 0xff;
  }

  int u16(String what) throws GgufException {
    return file.get(I16, advance(2, what)) & 0xffff;
  }

  long u32(String what) throws GgufException {
    return file.get(I32, advance(4, what)) & 0xffff_ffffL;
  }

  /** Reads 64 bits; counts and lengths beyond a long come out negative. */
  long i64(String what) throws GgufException {
    return file.get(I64, advance(8, what));
  }

  /** Reads a number of things that take at least so many bytes each. */
  long count(String what, long leastBytes) throws GgufException {
    long count = i64(what);
    if (count < 0 || count > remaining() / leastBytes) {
      throw malformed(
          what,
          "expected at most "
              + remaining() / leastBytes
              + " in the "
              + remaining()
              + " bytes that follow, came "
              + Long.toUnsignedString(count));
    }
    return count;
  }

  /** Reads a string of well-formed UTF-8. */
  String string(String what) throws GgufException {
    long length = count(what + ", length", 1);
    if (length > MAX_STRING) {
      throw malformed(what, "expected at most " + MAX_STRING + " bytes, came " + length);
    }
    MemorySegment bytes = file.asSlice(advance(length, what), length);
    try {
      CharBuffer text = StandardCharsets.UTF_8.newDecoder().decode(bytes.asByteBuffer());
      return text.toString();
    } catch (CharacterCodingException e) {
      throw new GgufException(
          source + ": " + what + ": expected well-formed UTF-8, came other bytes", e);
    }
  }

  void skipString(String what) throws GgufException {
    skip(count(what + ", length", 1), what);
  }

  void skip(long bytes, String what) throws GgufException {
    advance(bytes, what);
  }

  GgufException malformed(String what, String message) {
    return new GgufException(source + ": " + what + ": " + message, null);
  }

  private long advance(long bytes, String what) throws GgufException {
    if (bytes > remaining()) {
      throw malformed(what, "expected " + bytes + " bytes more, came " + remaining());
    }
    long at = position;
    position += bytes;
    return at;
  }
}
