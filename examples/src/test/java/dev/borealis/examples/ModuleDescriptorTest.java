package dev.borealis.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.lang.module.Configuration;
import java.lang.module.ModuleDescriptor;
import java.lang.module.ModuleFinder;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * This module runs on the class path, where nobody reads module descriptors; so here they are
 * resolved as a user on the module path would.
 */
class ModuleDescriptorTest {
  private static ModuleLayer layerOfCuda() {
    Path[] entries =
        Stream.of(System.getProperty("java.class.path").split(File.pathSeparator, -1))
            .map(Path::of)
            .filter(ModuleDescriptorTest::isOurs)
            .toArray(Path[]::new);
    ModuleLayer boot = ModuleLayer.boot();
    Configuration configuration =
        boot.configuration()
            .resolveAndBind(
                ModuleFinder.of(entries), ModuleFinder.of(), Set.of("dev.borealis.cuda"));
    return ModuleLayer.defineModulesWithOneLoader(
            configuration, List.of(boot), ClassLoader.getPlatformClassLoader())
        .layer();
  }

  private static boolean isOurs(Path entry) {
    return ModuleFinder.of(entry).findAll().stream()
        .map(found -> found.descriptor())
        .anyMatch(module -> !module.isAutomatic() && module.name().startsWith("dev.borealis"));
  }

  @Test
  void modulesResolveWithTheVectorModule() {
    ModuleLayer layer = layerOfCuda();
    Set<String> names = layer.modules().stream().map(Module::getName).collect(Collectors.toSet());
    assertEquals(Set.of("dev.borealis.kernels", "dev.borealis.ffm", "dev.borealis.cuda"), names);
    Module kernels = layer.findModule("dev.borealis.kernels").orElseThrow();
    Module vector = layer.parents().get(0).findModule("jdk.incubator.vector").orElseThrow();
    assertTrue(kernels.canRead(vector));
  }

  @Test
  void kernelsExportTheirApiAndNothingElse() {
    ModuleDescriptor kernels =
        layerOfCuda().findModule("dev.borealis.kernels").orElseThrow().getDescriptor();
    Set<String> exported =
        kernels.exports().stream()
            .filter(export -> !export.isQualified())
            .map(ModuleDescriptor.Exports::source)
            .collect(Collectors.toSet());
    assertEquals(
        Set.of(
            "dev.borealis.tensor",
            "dev.borealis.adapter",
            "dev.borealis.backend",
            "dev.borealis.device",
            "dev.borealis.io",
            "dev.borealis.merge",
            "dev.borealis.optim",
            "dev.borealis.serving"),
        exported);
  }
}
