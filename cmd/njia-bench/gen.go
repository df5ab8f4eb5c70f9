package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
)

type obj = map[string]any

// generate writes n invented FHIR R4 Patients as NDJSON, in the shape that OpenMRS gives them: 1.7 KB a line, always the same.
// One in eight is not active and one in ten has no national id, so that the guard has something to drop.
func generate(path string, n int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	r := rand.New(rand.NewPCG(42, 42))
	for i := range n {
		b, err := json.Marshal(patient(r, i))
		if err != nil {
			return err
		}
		if _, err := w.Write(append(b, '\n')); err != nil {
			return err
		}
	}
	return w.Flush()
}

func pick(r *rand.Rand, s ...string) string { return s[r.IntN(len(s))] }

func patient(r *rand.Rand, i int) obj {
	uuid := func() string {
		return fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", r.Uint32(), r.IntN(1<<16), r.IntN(1<<12), r.IntN(1<<12), r.Int64N(1<<48))
	}
	identifier := func(use, code, text, system, value string) obj {
		return obj{"use": use, "system": system, "value": value, "type": obj{"coding": []obj{{"code": code}}, "text": text}}
	}
	given, family := pick(r, "Amina", "Fatou", "Kwame", "José", "Zoë", "Wanjiru"), pick(r, "Diallo", "Traoré", "Mwangi", "N'Diaye", "Achieng")
	city := pick(r, "Kampala", "Gulu", "Lira", "Mbale", "Jinja")
	birth := fmt.Sprintf("%d-%02d-%02d", 1935+r.IntN(88), 1+r.IntN(12), 1+r.IntN(28))
	if r.IntN(12) == 0 {
		birth = birth[:4] // an estimated age
	}
	ids := []obj{
		identifier("official", "05a29f94-c0ed-11e2-94be-8c13b969e334", "OpenMRS ID", "http://openmrs.org/identifier/openmrs-id", fmt.Sprintf("100%06dX", i)),
		identifier("secondary", "8d79403a-c2cc-11de-8d13-0010c6dffd0f", "Old Identification Number", "http://openmrs.org/identifier/old-id", fmt.Sprintf("OLD-%07d", i*7)),
	}
	if r.IntN(10) != 0 {
		ids = append(ids, identifier("usual", "NI", "National ID", "urn:oid:2.16.840.1.113883.3.7201.1", fmt.Sprintf("CM%02d%08dPE", i%100, i)))
	}
	const ext = "http://fhir.openmrs.org/ext/address"
	return obj{
		"resourceType": "Patient", "id": uuid(), "meta": obj{"versionId": fmt.Sprint(1 + r.IntN(9)), "lastUpdated": "2026-03-05T08:15:30.000+03:00"},
		"identifier": ids, "active": r.IntN(8) != 0,
		"name":    []obj{{"use": "official", "family": family, "given": []string{given, pick(r, "Awa", "Kofi", "Ngozi")}}, {"use": "nickname", "given": []string{given}}},
		"telecom": []obj{{"system": "phone", "use": "mobile", "rank": 1, "value": fmt.Sprintf("+2567%08d", r.IntN(1e8))}},
		"gender":  pick(r, "male", "female", "other", "unknown"), "birthDate": birth, "deceasedBoolean": r.IntN(40) == 0,
		"address": []obj{{
			"use": "home", "city": city, "district": city + " District", "postalCode": fmt.Sprint(10000 + r.IntN(9000)), "country": "UG",
			"line":      []string{fmt.Sprintf("%d Market Road", 1+r.IntN(300)), fmt.Sprintf("Plot %d", 1+r.IntN(90))},
			"extension": []obj{{"url": ext, "extension": []obj{{"url": ext + "#address4", "valueString": city + " Parish"}, {"url": ext + "#cityVillage", "valueString": city}}}},
		}},
		"maritalStatus":        obj{"coding": []obj{{"system": "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "code": "M", "display": "Married"}}},
		"extension":            []obj{{"url": "http://fhir.openmrs.org/ext/patient/attribute#insurance", "valueString": fmt.Sprintf("INS-%06d", r.IntN(1e6))}},
		"managingOrganization": obj{"reference": "Organization/" + uuid(), "display": city + " Health Centre IV"},
	}
}
