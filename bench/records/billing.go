package records

import (
	"encoding/base64"
)

// base64 gives a clinical note, encoded.
func (g *Generator) base64() string {
	var text []byte
	for range 6 + g.rnd.IntN(12) {
		text = append(append(text, pick(&g.writer, g.sentences)...), '\n')
	}
	return base64.StdEncoding.EncodeToString(text)
}

// claim writes a Claim; more is what else it has.
func (g *Generator) claim(c *chart, v *visit, id, kind string, what coded, more string) error {
	g.begin("Claim", id)
	g.add(`,"status":"active","type":`)
	g.code(terminology+"claim-type", kind)
	g.add(`,"use":"claim","patient":`)
	g.named("Patient", c.entity)
	g.add(`,"billablePeriod":{"start":"`, v.from, `","end":"`, v.to, `"},"created":"`, v.to, `","provider":`)
	g.named("Organization", v.at.organization)
	g.add(`,"priority":`)
	g.code(terminology+"processpriority", "normal")
	g.add(more)
	g.diagnoses(v, "")
	g.add(`,"insurance":[{"sequence":1,"focal":true,"coverage":{"display":"Blue Cross Blue Shield"}}],"item":[{"sequence":1,"productOrService":`)
	g.concept(snomed, what)
	g.add(`,"encounter":[`)
	g.ref("Encounter", v.id)
	g.add(`]}],"total":{"value":`)
	g.fixed(20+g.rnd.ExpFloat64()*150, 2)
	g.add(`,"currency":"USD"}`)
	return g.emit()
}

func (g *Generator) diagnoses(v *visit, more string) {
	for i, d := range v.conditions {
		if i == 0 {
			g.add(`,"diagnosis":[`)
		} else {
			g.add(`,`)
		}
		g.add(`{"sequence":`)
		g.int(i + 1)
		g.add(`,"diagnosisReference":`)
		g.named("Condition", d)
		g.add(more, `}`)
	}
	if len(v.conditions) > 0 {
		g.add(`]`)
	}
}

// bill writes the claim for a visit and what came of it.
func (g *Generator) bill(c *chart, v *visit) error {
	claim := g.id()
	if err := g.claim(c, v, claim, "institutional", v.kind, ""); err != nil {
		return err
	}
	g.begin("ExplanationOfBenefit", g.id())
	g.add(`,"contained":[{"resourceType":"Coverage","id":"coverage","status":"active","type":{"text":"Blue Cross Blue Shield"},"beneficiary":`)
	g.ref("Patient", c.id)
	g.add(`,"payor":[{"display":"Blue Cross Blue Shield"}]}],"identifier":[{"system":"https://bluebutton.cms.gov/resources/variables/clm_id","value":"`, claim,
		`"},{"system":"https://bluebutton.cms.gov/resources/identifier/claim-group","value":"99999999999"}],"status":"active","type":`)
	g.code(terminology+"claim-type", "institutional")
	g.add(`,"use":"claim","patient":`)
	g.named("Patient", c.entity)
	g.add(`,"billablePeriod":{"start":"`, v.from, `","end":"`, v.to, `"},"created":"`, later(v), `","insurer":{"display":"Blue Cross Blue Shield"},"provider":`)
	g.named("Practitioner", v.by.entity)
	g.add(`,"facility":`)
	g.named("Location", v.at.location)
	g.add(`,"claim":`)
	g.ref("Claim", claim)
	g.add(`,"outcome":"complete","careTeam":[{"sequence":1,"provider":`)
	g.named("Practitioner", v.by.entity)
	g.add(`,"role":`)
	g.concept(terminology+"claimcareteamrole", coded{"primary", "Primary Care Practitioner"})
	g.add(`}]`)
	g.diagnoses(v, `,"type":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/ex-diagnosistype","code":"principal"}]}]`)
	g.add(`,"insurance":[{"focal":true,"coverage":{"reference":"#coverage","display":"Blue Cross Blue Shield"}}],"item":[{"sequence":1,"category":`)
	g.concept("https://bluebutton.cms.gov/resources/variables/line_cms_type_srvc_cd", coded{"1", "Medical care"})
	g.add(`,"productOrService":`)
	g.concept(snomed, v.kind)
	g.add(`,"servicedPeriod":{"start":"`, v.from, `","end":"`, v.to, `"},"locationCodeableConcept":`)
	g.concept(terminology+"ex-serviceplace", coded{"19", "Off Campus-Outpatient Hospital"})
	g.add(`,"encounter":[`)
	g.ref("Encounter", v.id)
	g.add(`]`)
	g.adjudication()
	g.add(`}],"total":[{"category":`)
	g.concept(terminology+"adjudication", coded{"submitted", "Submitted Amount"})
	g.add(`,"amount":{"value":`)
	g.fixed(20+g.rnd.ExpFloat64()*150, 2)
	g.add(`,"currency":"USD"}}],"payment":{"amount":{"value":`)
	g.fixed(20+g.rnd.ExpFloat64()*100, 2)
	g.add(`,"currency":"USD"}}`)
	return g.emit()
}

// adjudication appends what became of an item.
func (g *Generator) adjudication() {
	for i, c := range []coded{
		{"https://bluebutton.cms.gov/resources/variables/line_coinsrnc_amt", "Line Beneficiary Coinsurance Amount"},
		{"https://bluebutton.cms.gov/resources/variables/line_prvdr_pmt_amt", "Line Provider Payment Amount"},
		{"https://bluebutton.cms.gov/resources/variables/line_sbmtd_chrg_amt", "Line Submitted Charge Amount"},
		{"https://bluebutton.cms.gov/resources/variables/line_alowd_chrg_amt", "Line Allowed Charge Amount"},
		{"https://bluebutton.cms.gov/resources/variables/line_bene_ptb_ddctbl_amt", "Line Beneficiary Part B Deductible Amount"},
	} {
		if i == 0 {
			g.add(`,"adjudication":[`)
		} else {
			g.add(`,`)
		}
		g.add(`{"category":`)
		g.concept("https://bluebutton.cms.gov/resources/codesystem/adjudication", c)
		g.add(`,"amount":{"value":`)
		g.fixed(g.rnd.ExpFloat64()*100, 2)
		g.add(`,"currency":"USD"}}`)
	}
	g.add(`]`)
}
