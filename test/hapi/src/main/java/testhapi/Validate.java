package testhapi;

import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.context.support.IValidationSupport.IssueSeverity;
import ca.uhn.fhir.parser.DataFormatException;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.ResultSeverityEnum;
import ca.uhn.fhir.validation.SingleValidationMessage;
import ca.uhn.fhir.validation.ValidationOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.PrePopulatedValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.SnapshotGeneratingValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.UnknownCodeSystemWarningValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;
import org.hl7.fhir.r5.utils.validation.constants.BestPracticeWarningLevel;

/**
 * Validates R4 JSON resources offline with HL7's own instance validator (the engine inside HAPI), the base definitions from
 * hapi-fhir-validation-resources-r4 and local conformance files. A profile or extension that is in none of them is an error.
 *
 * <pre>
 *   Validate [-defs DIR]... [-also URL-WITH-%s] FILE|DIR...
 * </pre>
 * -also additionally checks each resource against URL with %s replaced by its type, where known.
 * One line per finding: SEVERITY TAB file TAB place TAB message; the last one: DONE TAB files. Exit status 1 if any error.
 */
public final class Validate {

    private static final FhirContext R4 = FhirContext.forR4();

    public static void main(String[] args) throws IOException {
        var local = new PrePopulatedValidationSupport(R4);
        List<Path> targets = new ArrayList<>();
        String also = null;
        for (int i = 0; i < args.length; i++) {
            switch (args[i]) {
                case "-defs" -> files(Path.of(args[++i])).forEach(f -> add(local, f));
                case "-also" -> also = args[++i];
                default -> targets.addAll(files(Path.of(args[i])));
            }
        }

        var unknownSystems = new UnknownCodeSystemWarningValidationSupport(R4);
        unknownSystems.setNonExistentCodeSystemSeverity(IssueSeverity.WARNING);
        var chain = new ValidationSupportChain(
                local, // before the built-in definitions, so that a local file wins
                new DefaultProfileValidationSupport(R4),
                new CommonCodeSystemsTerminologyService(R4),
                new InMemoryTerminologyServerValidationSupport(R4),
                unknownSystems,
                new SnapshotGeneratingValidationSupport(R4)); // UK Core ships differentials only
        var engine = new FhirInstanceValidator(chain);
        engine.setBestPracticeWarningLevel(BestPracticeWarningLevel.Ignore);
        engine.setErrorForUnknownProfiles(true);
        engine.setAnyExtensionsAllowed(false);
        FhirValidator validator = R4.newValidator().registerValidatorModule(engine);

        boolean bad = false;
        for (Path file : targets) {
            String name = file.getFileName().toString();
            String text = Files.readString(file);
            ValidationOptions options = new ValidationOptions();
            if (also != null) {
                String url = also.formatted(typeOf(text));
                if (chain.fetchStructureDefinition(url) != null) {
                    options.addProfile(url);
                }
            }
            for (SingleValidationMessage m : validator.validateWithResult(text, options).getMessages()) {
                bad |= m.getSeverity().compareTo(ResultSeverityEnum.ERROR) >= 0;
                System.out.printf("%s\t%s\t%s\t%s%n", m.getSeverity(), name, m.getLocationString(), m.getMessage().replaceAll("\\s+", " "));
            }
        }
        System.out.printf("DONE\t%d%n", targets.size());
        System.exit(bad ? 1 : 0);
    }

    private static List<Path> files(Path root) throws IOException {
        try (Stream<Path> all = Files.walk(root)) {
            return all.filter(p -> p.toString().endsWith(".json") || p.toString().endsWith(".xml")).sorted().toList();
        }
    }

    private static void add(PrePopulatedValidationSupport into, Path file) {
        try {
            String text = Files.readString(file);
            var parser = file.toString().endsWith(".xml") ? R4.newXmlParser() : R4.newJsonParser();
            into.addResource(parser.parseResource(text));
        } catch (IOException | DataFormatException e) {
            throw new IllegalArgumentException(file + ": " + e.getMessage(), e);
        }
    }

    private static String typeOf(String json) {
        var found = java.util.regex.Pattern.compile("\"resourceType\"\\s*:\\s*\"(\\w+)\"").matcher(json);
        return found.find() ? found.group(1) : "";
    }

    private Validate() {}
}
