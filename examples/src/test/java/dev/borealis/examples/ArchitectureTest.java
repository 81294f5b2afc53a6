package dev.borealis.examples;

import static com.tngtech.archunit.library.Architectures.layeredArchitecture;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import org.junit.jupiter.api.Test;

/** Arrows run one way: examples, jmh → kernels-cuda → ffm-bindings, kernels-java. */
class ArchitectureTest {
  private static final JavaClasses CLASSES =
      new ClassFileImporter()
          .withImportOption(new ImportOption.DoNotIncludeTests())
          .importPackages("dev.borealis");

  @Test
  void modulesDependOneWay() {
    layeredArchitecture()
        .consideringOnlyDependenciesInAnyPackage("dev.borealis..")
        .layer("kernels-java")
        .definedBy(
            "dev.borealis.tensor..",
            "dev.borealis.adapter..",
            "dev.borealis.backend..",
            "dev.borealis.device..",
            "dev.borealis.io..",
            "dev.borealis.merge..",
            "dev.borealis.optim..",
            "dev.borealis.serving..",
            "dev.borealis.internal..")
        .layer("ffm-bindings")
        .definedBy("dev.borealis.ffm..")
        .layer("kernels-cuda")
        .definedBy("dev.borealis.cuda..")
        .layer("jmh")
        .definedBy("dev.borealis.jmh..")
        .layer("examples")
        .definedBy("dev.borealis.examples..")
        .whereLayer("kernels-java")
        .mayNotAccessAnyLayer()
        .whereLayer("ffm-bindings")
        .mayNotAccessAnyLayer()
        .whereLayer("kernels-cuda")
        .mayOnlyAccessLayers("ffm-bindings", "kernels-java")
        .whereLayer("jmh")
        .mayNotBeAccessedByAnyLayer()
        .whereLayer("examples")
        .mayNotBeAccessedByAnyLayer()
        .ensureAllClassesAreContainedInArchitecture()
        .check(CLASSES);
  }
}
