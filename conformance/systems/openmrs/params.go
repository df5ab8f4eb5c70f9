package openmrs

// kind is how a search parameter compares.
type kind int

const (
	token kind = iota // code, Coding, CodeableConcept or Identifier: [system|]code
	ref               // Reference: id or Type/id
	text              // starts with, any case
	date              // prefix and date
)

type param struct {
	kind  kind
	paths []string // where the value is; "a.b" goes through lists
}

// params are the search parameters by type; those of every type are under "".
var params = map[string]map[string]param{
	"": {"_id": {token, []string{"id"}}, "_lastUpdated": {kind: date}},
	"Patient": {
		"identifier": {token, []string{"identifier"}}, "active": {token, []string{"active"}},
		"gender": {token, []string{"gender"}}, "birthdate": {date, []string{"birthDate"}},
		"name":   {text, []string{"name.family", "name.given", "name.text"}},
		"family": {text, []string{"name.family"}}, "given": {text, []string{"name.given"}},
		"address-city": {text, []string{"address.city"}}, "address-country": {text, []string{"address.country"}},
		"address-state": {text, []string{"address.state"}},
	},
	"Encounter": {
		"patient": {ref, []string{"subject"}}, "subject": {ref, []string{"subject"}},
		"date": {date, []string{"period.start"}}, "type": {token, []string{"type"}},
		"location": {ref, []string{"location.location"}}, "participant": {ref, []string{"participant.individual"}},
		"part-of": {ref, []string{"partOf"}}, "status": {token, []string{"status"}}, "_tag": {token, []string{"meta.tag"}},
	},
	"ServiceRequest": {
		"patient": {ref, []string{"subject"}}, "subject": {ref, []string{"subject"}}, "code": {token, []string{"code"}},
		"encounter": {ref, []string{"encounter"}}, "participant": {ref, []string{"requester"}},
		"requester": {ref, []string{"requester"}}, "occurrence": {date, []string{"occurrencePeriod.start"}},
		"status": {token, []string{"status"}}, "replaces": {ref, []string{"replaces"}},
		"identifier": {token, []string{"identifier"}},
	},
	"MedicationRequest": {
		"patient": {ref, []string{"subject"}}, "subject": {ref, []string{"subject"}},
		"code":      {token, []string{"medicationCodeableConcept"}},
		"encounter": {ref, []string{"encounter"}}, "participant": {ref, []string{"requester"}},
		"requester": {ref, []string{"requester"}}, "medication": {ref, []string{"medicationReference"}},
		"status": {token, []string{"status"}}, "identifier": {token, []string{"identifier"}},
	},
	"Medication": {"code": {token, []string{"code"}}, "dosage-form": {token, []string{"form"}}, "status": {token, []string{"status"}}},
	"Observation": {
		"patient": {ref, []string{"subject"}}, "subject": {ref, []string{"subject"}}, "code": {token, []string{"code"}},
		"encounter": {ref, []string{"encounter"}}, "date": {date, []string{"effectiveDateTime"}},
		"category": {token, []string{"category"}}, "status": {token, []string{"status"}}, "based-on": {ref, []string{"basedOn"}},
	},
	"DiagnosticReport": {
		"patient": {ref, []string{"subject"}}, "subject": {ref, []string{"subject"}}, "code": {token, []string{"code"}},
		"encounter": {ref, []string{"encounter"}}, "issued": {date, []string{"issued"}}, "result": {ref, []string{"result"}},
	},
	"Task": {
		"status": {token, []string{"status"}}, "based-on": {ref, []string{"basedOn"}}, "owner": {ref, []string{"owner"}},
		"identifier": {token, []string{"identifier"}}, "for": {ref, []string{"for"}},
	},
	"Practitioner": {
		"identifier": {token, []string{"identifier"}}, "name": {text, []string{"name.family", "name.given", "name.text"}},
	},
	"Location": {"name": {text, []string{"name"}}, "_tag": {token, []string{"meta.tag"}}, "status": {token, []string{"status"}}},
}

// control are the parameters that say how to answer, not what to find.
var control = map[string]bool{
	"_sort": true, "_count": true, "_include": true, "_revinclude": true, "_summary": true, "_format": true,
	"_pretty": true, "_total": true, "_elements": true,
}

func paramOf(typ, name string) (param, bool) {
	p, ok := params[typ][name]
	if !ok {
		p, ok = params[""][name]
	}
	return p, ok
}
