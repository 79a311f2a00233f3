package chartmap

import (
	"slices"
	"strconv"
	"strings"
)

// modifies reports whether R4 gives an element the property isModifier: without it, the
// rest of the resource is understood wrongly. Status is one wherever it stands in a
// resource. The path has its places in lists.
func modifies(path string) bool {
	var parts []string
	for _, part := range strings.Split(path, ".") {
		name, _, _ := strings.Cut(part, "[")
		parts = append(parts, name)
	}
	if len(parts) == 2 && parts[1] == "status" {
		return true
	}
	name := strings.Join(parts, ".")
	return slices.ContainsFunc(modifying(), func(m string) bool {
		choice, isChoice := strings.CutSuffix(m, "[x]")
		return name == m || isChoice && strings.HasPrefix(name, choice)
	})
}

// modifying are the elements of resources with isModifier in R4's StructureDefinitions,
// other than status, implicitRules and extensions.
func modifying() []string {
	return []string{
		"ActivityDefinition.doNotPerform",
		"AdverseEvent.actuality",
		"AllergyIntolerance.clinicalStatus",
		"AllergyIntolerance.verificationStatus",
		"AppointmentResponse.participantStatus",
		"Basic.code",
		"BodyStructure.active",
		"CarePlan.activity.detail.doNotPerform",
		"CarePlan.activity.detail.status",
		"CarePlan.intent",
		"CommunicationRequest.doNotPerform",
		"ConceptMap.group.element.target.equivalence",
		"Condition.clinicalStatus",
		"Condition.verificationStatus",
		"Consent.scope",
		"Contract.term.action.doNotPerform",
		"DeviceRequest.intent",
		"Goal.lifecycleStatus",
		"HealthcareService.active",
		"Immunization.isSubpotent",
		"ImmunizationRecommendation.recommendation.forecastStatus",
		"List.entry.deleted",
		"List.mode",
		"MeasureReport.improvementNotation",
		"MedicationRequest.doNotPerform",
		"MedicationRequest.intent",
		"MedicinalProductIngredient.specifiedSubstance.strength.concentrationLowLimit",
		"MedicinalProductIngredient.specifiedSubstance.strength.presentationLowLimit",
		"NutritionOrder.intent",
		"Organization.active",
		"Patient.active",
		"Patient.deceased[x]",
		"Patient.link",
		"Person.active",
		"Questionnaire.item.enableWhen",
		"RelatedPerson.active",
		"RequestGroup.intent",
		"Schedule.active",
		"ServiceRequest.doNotPerform",
		"ServiceRequest.intent",
	}
}

// modifiers lists the modifier extensions in a value.
func (n *node) modifiers(at string) []string {
	var out []string
	for _, m := range n.members {
		if m.name == "modifierExtension" {
			out = append(out, at+"."+m.name)
		}
		out = append(out, m.node.modifiers(at+"."+m.name)...)
	}
	for i, item := range n.items {
		out = append(out, item.modifiers(at+"["+strconv.Itoa(i)+"]")...)
	}
	return out
}
