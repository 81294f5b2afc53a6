package dev.borealis.ffm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.borealis.ffm.generated.CUaccessPolicyWindow_st;
import dev.borealis.ffm.generated.CUlaunchAttributeValue_union;
import dev.borealis.ffm.generated.CUlaunchAttribute_st;
import dev.borealis.ffm.generated.CUlaunchConfig_st;
import dev.borealis.ffm.generated.CUlaunchMemSyncDomainMap_st;
import dev.borealis.ffm.generated.CublasApi;
import dev.borealis.ffm.generated.CudaDriver;
import java.lang.foreign.GroupLayout;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The generated classes against the arguments they were generated with, and against NVIDIA's
 * headers.
 */
class HeaderTest {
  private static final List<Class<?>> STRUCTS =
      List.of(
          CUlaunchConfig_st.class,
          CUlaunchAttribute_st.class,
          CUaccessPolicyWindow_st.class,
          CUlaunchMemSyncDomainMap_st.class);

  @Test
  void theArgumentsNameExactlyWhatWasGenerated() throws Exception {
    for (String name : List.of("cuda", "cublas")) {
      Class<?> type = name.equals("cuda") ? CudaDriver.class : CublasApi.class;
      List<String> arguments = Files.readAllLines(Path.of("jextract", name + ".args"));
      assertEquals(
          named(arguments, "--include-function "), functions(type), name + ".args, functions");
      assertEquals(
          named(arguments, "--include-constant "),
          constants(type).keySet(),
          name + ".args, constants");
    }
  }

  @Test
  void constantsAndLayoutsAreThoseOfTheCudaHeaders(@TempDir Path folder) throws Exception {
    if (!headerExists("cuda.h", folder) || !headerExists("library_types.h", folder)) {
      NativeCompiler.skip("no cuda.h to compare with");
    }
    var expected = new TreeMap<String, Long>(constants(CudaDriver.class));
    constants(CublasApi.class).entrySet().stream()
        .filter(constant -> !constant.getKey().startsWith("CUBLAS_"))
        .forEach(constant -> expected.put(constant.getKey(), constant.getValue()));
    for (Class<?> struct : STRUCTS) {
      addLayout(expected, struct, "struct " + struct.getSimpleName());
    }
    addLayout(expected, CUlaunchAttributeValue_union.class, "union CUlaunchAttributeValue_union");
    addLayout(
        expected,
        CUlaunchAttributeValue_union.clusterDim.class,
        "((CUlaunchAttributeValue *)0)->clusterDim");
    assertTrue(expected.size() > 100, () -> "only " + expected.size());
    assertEquals(expected, valuesInC(expected, List.of("cuda.h", "library_types.h"), folder));
  }

  @Test
  void constantsOfOurCublasHeaderAreThoseOfTheToolkits(@TempDir Path folder) throws Exception {
    if (!headerExists("cublas_v2.h", folder)) {
      NativeCompiler.skip("no cublas_v2.h to compare with");
    }
    var expected = new TreeMap<String, Long>(constants(CublasApi.class));
    assertEquals(expected, valuesInC(expected, List.of("cublas_v2.h"), folder));
  }

  private static Set<String> named(List<String> arguments, String option) {
    return arguments.stream()
        .filter(line -> line.startsWith(option))
        .map(line -> line.substring(option.length()))
        .collect(Collectors.toCollection(TreeSet::new));
  }

  private static Set<String> functions(Class<?> type) {
    return Arrays.stream(type.getDeclaredMethods())
        .map(Method::getName)
        .filter(name -> name.endsWith("$descriptor"))
        .map(name -> name.replace("$descriptor", ""))
        .collect(Collectors.toCollection(TreeSet::new));
  }

  /** jextract writes a constant as a method without parameters. */
  private static Map<String, Long> constants(Class<?> type) throws Exception {
    var constants = new TreeMap<String, Long>();
    for (Method method : type.getDeclaredMethods()) {
      if (method.getName().matches("[A-Z0-9_]+") && method.getParameterCount() == 0) {
        constants.put(method.getName(), (long) (int) method.invoke(null));
      }
    }
    return constants;
  }

  /** Adds C expressions of a type's size and of its members' offsets, with the values in Java. */
  private static void addLayout(Map<String, Long> expected, Class<?> type, String inC)
      throws Exception {
    GroupLayout layout = (GroupLayout) type.getMethod("layout").invoke(null);
    expected.put("sizeof(" + inC + ")", layout.byteSize());
    for (Method method : type.getDeclaredMethods()) {
      if (method.getName().endsWith("$offset") && !inC.startsWith("(")) {
        String member = method.getName().replace("$offset", "");
        expected.put("offsetof(" + inC + ", " + member + ")", (long) method.invoke(null));
      }
    }
  }

  private static Map<String, Long> valuesInC(
      Map<String, Long> expressions, List<String> headers, Path folder) throws Exception {
    String program =
        "#include <stddef.h>\n#include <stdio.h>\n"
            + headers.stream()
                .map(header -> "#include <" + header + ">\n")
                .collect(Collectors.joining())
            + "int main(void) {\n"
            + expressions.keySet().stream()
                .map(e -> "  printf(\"%s=%lld\\n\", \"" + e + "\", (long long)(" + e + "));\n")
                .collect(Collectors.joining())
            + "  return 0;\n}\n";
    Path source = Files.writeString(folder.resolve("values.c"), program);
    Path binary = folder.resolve("values");
    compile("-o", binary.toString(), source.toString());
    var values = new TreeMap<String, Long>();
    try (Stream<String> lines = NativeCompiler.run(List.of(binary.toString())).lines()) {
      lines.forEach(line -> {
        int equals = line.lastIndexOf('=');
        values.put(line.substring(0, equals), Long.valueOf(line.substring(equals + 1)));
      });
    }
    return values;
  }

  private static boolean headerExists(String header, Path folder) throws Exception {
    Path source =
        Files.writeString(
            folder.resolve("probe.c"),
            "#if __has_include(<"
                + header
                + ">)\nint main(void) { return 0; }\n#else\nint main(void) { return 1; }\n#endif\n");
    Path binary = folder.resolve("probe");
    compile("-o", binary.toString(), source.toString());
    return new ProcessBuilder(binary.toString()).start().waitFor() == 0;
  }

  /** nvcc first: it knows where the toolkit's headers are. */
  private static void compile(String... arguments) throws Exception {
    NativeCompiler.compile(List.of("nvcc", "cc", "gcc", "clang"), "a look into cuda.h", arguments);
  }
}
