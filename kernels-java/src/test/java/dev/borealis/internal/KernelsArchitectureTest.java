package dev.borealis.internal;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaCodeUnit;
import com.tngtech.archunit.core.domain.JavaField;
import com.tngtech.archunit.core.domain.JavaMember;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.domain.JavaType;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.lang.ArchCondition;
import com.tngtech.archunit.lang.ConditionEvents;
import com.tngtech.archunit.lang.SimpleConditionEvent;
import java.lang.module.ModuleDescriptor;
import java.nio.file.Path;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** What this module may depend on, and what its public signatures may show. */
class KernelsArchitectureTest {
  private static final JavaClasses CLASSES =
      new ClassFileImporter().importPath(Path.of("target", "classes"));

  @Test
  void nothingButTheJdkIsNeededAtRunTime() {
    classes()
        .should()
        .onlyDependOnClassesThat()
        .resideInAnyPackage(
            "java..",
            "jdk.incubator.vector..",
            "com.sun.management..",
            "org.jspecify.annotations..",
            "dev.borealis.tensor..",
            "dev.borealis.adapter..",
            "dev.borealis.backend..",
            "dev.borealis.device..",
            "dev.borealis.io..",
            "dev.borealis.merge..",
            "dev.borealis.optim..",
            "dev.borealis.serving..",
            "dev.borealis.internal..")
        .check(CLASSES);
  }

  @Test
  void packagesAreFreeOfCycles() {
    slices().matching("dev.borealis.(**)").should().beFreeOfCycles().check(CLASSES);
  }

  @Test
  void publicSignaturesShowNothingInternal() {
    classes().that(areExported()).should(showNothingInternal()).check(CLASSES);
  }

  private static DescribedPredicate<JavaClass> areExported() {
    ModuleDescriptor module = KernelsArchitectureTest.class.getModule().getDescriptor();
    Set<String> exported =
        Objects.requireNonNull(module, "the tests run on the module path").exports().stream()
            .filter(export -> !export.isQualified())
            .map(ModuleDescriptor.Exports::source)
            .collect(Collectors.toUnmodifiableSet());
    return DescribedPredicate.describe(
        "are in an exported package", type -> exported.contains(type.getPackageName()));
  }

  private static ArchCondition<JavaClass> showNothingInternal() {
    return new ArchCondition<>("show nothing internal") {
      @Override
      public void check(JavaClass type, ConditionEvents events) {
        if (!isVisible(type)) {
          return;
        }
        Stream<JavaType> declared =
            Stream.of(
                    type.getSuperclass().stream(),
                    type.getInterfaces().stream(),
                    type.getTypeParameters().stream())
                .flatMap(types -> types);
        report(type.getName(), declared, events);
        for (JavaMember member : type.getMembers()) {
          if (isVisible(member.getModifiers())) {
            report(member.getFullName(), typesOf(member), events);
          }
        }
      }
    };
  }

  private static Stream<JavaType> typesOf(JavaMember member) {
    return switch (member) {
      case JavaField field -> Stream.of(field.getType());
      case JavaCodeUnit method ->
          Stream.of(
                  Stream.of(method.getReturnType()),
                  method.getParameterTypes().stream(),
                  method.getTypeParameters().stream(),
                  method.getExceptionTypes().stream())
              .flatMap(types -> types);
      default -> throw new IllegalArgumentException("unknown kind of member: " + member);
    };
  }

  private static void report(String where, Stream<JavaType> types, ConditionEvents events) {
    types
        .flatMap(type -> type.getAllInvolvedRawTypes().stream())
        .map(JavaClass::getBaseComponentType)
        .filter(raw -> raw.getPackageName().startsWith("dev.borealis.internal"))
        .distinct()
        .forEach(raw ->
            events.add(SimpleConditionEvent.violated(raw, where + " shows " + raw.getName())));
  }

  private static boolean isVisible(JavaClass type) {
    return isVisible(type.getModifiers())
        && type.getEnclosingClass().map(KernelsArchitectureTest::isVisible).orElse(true);
  }

  private static boolean isVisible(Set<JavaModifier> modifiers) {
    return modifiers.contains(JavaModifier.PUBLIC) || modifiers.contains(JavaModifier.PROTECTED);
  }
}
