package dev.borealis.ffm;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noMethods;
import static org.junit.jupiter.api.Assertions.assertFalse;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** The bindings know nothing of adapters, and jextract's classes stay behind the typed layer. */
class FfmArchitectureTest {
  private static final JavaClasses CLASSES =
      new ClassFileImporter().importPath(Path.of("target", "classes"));

  @Test
  void nothingButTheJdkIsNeeded() {
    classes()
        .should()
        .onlyDependOnClassesThat()
        .resideInAnyPackage("java..", "org.jspecify.annotations..", "dev.borealis.ffm..")
        .check(CLASSES);
  }

  @Test
  void publicSignaturesShowNoGeneratedClass() {
    noMethods()
        .that()
        .areDeclaredInClassesThat()
        .resideInAPackage("dev.borealis.ffm")
        .and()
        .arePublic()
        .should()
        .haveRawReturnType(generated())
        .orShould()
        .haveRawParameterTypes(
            DescribedPredicate.describe("generated", types -> types.stream().anyMatch(generated())))
        .check(CLASSES);
  }

  @Test
  void generatedClassesAreNotExported() {
    assertFalse(
        Cuda.class.getModule().getDescriptor().exports().stream()
            .anyMatch(export -> export.source().contains("generated") && !export.isQualified()));
  }

  private static DescribedPredicate<JavaClass> generated() {
    return JavaClass.Predicates.resideInAPackage("..generated..");
  }
}
