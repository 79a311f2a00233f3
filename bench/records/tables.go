package records

// quantityCode is an observation with a number.
type quantityCode struct {
	coded
	unit         string
	low, high    float64 // of the reference range
	places       int
	category     string
	categoryName string
}

func lab(code, display, unit string, low, high float64, places int) quantityCode {
	return quantityCode{coded{code, display}, unit, low, high, places, "laboratory", "Laboratory"}
}

func vital(code, display, unit string, low, high float64, places int) quantityCode {
	return quantityCode{coded{code, display}, unit, low, high, places, "vital-signs", "Vital Signs"}
}

// panel is a laboratory report with its results.
type panel struct {
	coded
	results []quantityCode
}

// tables hold what records are made of, the most frequent first.
type tables struct {
	family, female, male, streets, cities []string
	vitals                                []quantityCode
	panels                                []panel
	conditions, procedures, drugs         []coded
	vaccines, visits, surveys             []coded
	sentences                             []string
}

func newTables() *tables {
	return &tables{
		family: []string{
			"Smith", "Johnson", "Williams", "Brown", "Jones", "Garcia", "Miller", "Davis", "Rodriguez", "Martinez", "Hernandez",
			"Lopez", "Gonzalez", "Wilson", "Anderson", "Thomas", "Taylor", "Moore", "Jackson", "Martin", "Lee", "Perez", "Thompson", "White",
			"Harris", "Sanchez", "Clark", "Ramirez", "Lewis", "Robinson", "Walker", "Young", "Allen", "King", "Wright", "Scott", "Torres",
			"Nguyen", "Hill", "Flores", "Green", "Adams", "Nelson", "Baker", "Hall", "Rivera", "Campbell", "Mitchell", "Carter", "Roberts",
			"Gómez", "Phillips", "Evans", "Turner", "Díaz", "Parker", "Cruz", "Edwards", "Collins", "Reyes", "Stewart", "Morris", "Morales",
			"Murphy", "Cook", "Rogers", "Gutiérrez", "Ortiz", "Morgan", "Cooper", "Peterson", "Bailey", "Reed", "Kelly", "Howard", "Ramos",
			"Kim", "Cox", "Ward", "Richardson", "Watson", "Brooks", "Chavez", "Wood", "James", "Bennett", "Gray", "Mendoza", "Ruiz", "Hughes",
			"Price", "Álvarez", "Castillo", "Sanders", "Patel", "Myers", "Long", "Ross", "Foster", "Jiménez", "Okafor", "Müller", "Schmidt",
		},
		female: []string{
			"Mary", "Patricia", "Jennifer", "Linda", "Elizabeth", "Barbara", "Susan", "Jessica", "Karen", "Sarah", "Lisa", "Nancy",
			"Sandra", "Betty", "Ashley", "Emily", "Kimberly", "Margaret", "Donna", "Michelle", "Carol", "Amanda", "Melissa", "Deborah",
			"Stephanie", "Rebecca", "Sharon", "Laura", "Cynthia", "Amy", "Zoë", "Inés",
		},
		male: []string{
			"James", "Robert", "John", "Michael", "David", "William", "Richard", "Joseph", "Thomas", "Christopher", "Charles",
			"Daniel", "Matthew", "Anthony", "Mark", "Steven", "Paul", "Andrew", "Joshua", "Kevin", "Brian", "George", "Timothy", "Ronald",
			"Jason", "Edward", "Jeffrey", "Ryan", "Jacob", "Gary", "José", "Günther",
		},
		streets: []string{"Main Street", "Oak Avenue", "Maple Drive", "Cedar Lane", "Park Road", "Washington Street", "Lake View", "Hill Court", "Mill Passage", "Elm Trafficway"},
		cities:  []string{"Boston", "Worcester", "Springfield", "Cambridge", "Lowell", "Brockton", "Quincy", "Lynn", "Fall River", "Newton", "Lawrence", "Somerville"},
		vitals: []quantityCode{
			vital("29463-7", "Body Weight", "kg", 50, 100, 1), vital("8302-2", "Body Height", "cm", 150, 195, 1),
			vital("8867-4", "Heart rate", "/min", 55, 100, 0), vital("9279-1", "Respiratory rate", "/min", 12, 18, 0),
			vital("39156-5", "Body Mass Index", "kg/m2", 18, 32, 2), vital("8310-5", "Body temperature", "Cel", 36, 38, 1),
			vital("2708-6", "Oxygen saturation in Arterial blood", "%", 92, 100, 0),
		},
		panels: []panel{
			{coded{"51990-0", "Basic Metabolic Panel"}, []quantityCode{
				lab("2339-0", "Glucose", "mg/dL", 65, 110, 1), lab("6299-2", "Urea Nitrogen", "mg/dL", 7, 20, 1),
				lab("38483-4", "Creatinine", "mg/dL", 0.6, 1.3, 2), lab("49765-1", "Calcium", "mg/dL", 8.5, 10.2, 2),
				lab("2947-0", "Sodium", "mmol/L", 136, 144, 0), lab("6298-4", "Potassium", "mmol/L", 3.7, 5.2, 2),
				lab("2069-3", "Chloride", "mmol/L", 101, 111, 0), lab("20565-8", "Carbon Dioxide", "mmol/L", 20, 29, 0),
			}},
			{coded{"57698-3", "Lipid Panel"}, []quantityCode{
				lab("2093-3", "Total Cholesterol", "mg/dL", 120, 240, 1), lab("2571-8", "Triglycerides", "mg/dL", 80, 190, 1),
				lab("18262-6", "Low Density Lipoprotein Cholesterol", "mg/dL", 60, 160, 1), lab("2085-9", "High Density Lipoprotein Cholesterol", "mg/dL", 35, 80, 1),
			}},
			{coded{"58410-2", "Complete blood count (hemogram) panel - Blood by Automated count"}, []quantityCode{
				lab("6690-2", "Leukocytes [#/volume] in Blood by Automated count", "10*3/uL", 4.5, 11, 1),
				lab("789-8", "Erythrocytes [#/volume] in Blood by Automated count", "10*6/uL", 4, 5.9, 2),
				lab("718-7", "Hemoglobin [Mass/volume] in Blood", "g/dL", 12, 17.5, 1),
				lab("4544-3", "Hematocrit [Volume Fraction] of Blood by Automated count", "%", 36, 50, 1),
				lab("787-2", "MCV [Entitic volume] by Automated count", "fL", 80, 96, 1), lab("785-6", "MCH [Entitic mass] by Automated count", "pg", 27, 33, 1),
				lab("786-4", "MCHC [Mass/volume] by Automated count", "g/dL", 33, 36, 1), lab("21000-5", "Erythrocyte distribution width", "fL", 39, 46, 1),
				lab("777-3", "Platelets [#/volume] in Blood by Automated count", "10*3/uL", 150, 450, 0),
			}},
			{coded{"4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood"}, []quantityCode{lab("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", "%", 4, 7, 1)}},
		},
		conditions: []coded{
			{"59621000", "Hypertension"},
			{"444814009", "Viral sinusitis (disorder)"},
			{"162864005", "Body mass index 30+ - obesity (finding)"},
			{"15777000", "Prediabetes"},
			{"195662009", "Acute viral pharyngitis (disorder)"},
			{"10509002", "Acute bronchitis (disorder)"},
			{"271737000", "Anemia (disorder)"},
			{"44054006", "Diabetes"},
			{"55822004", "Hyperlipidemia"},
			{"40055000", "Chronic sinusitis (disorder)"},
			{"72892002", "Normal pregnancy"},
			{"43878008", "Streptococcal sore throat (disorder)"},
			{"195967001", "Asthma"},
			{"239873007", "Osteoarthritis of knee"},
			{"65363002", "Otitis media"},
			{"53741008", "Coronary Heart Disease"},
			{"49436004", "Atrial Fibrillation"},
			{"87433001", "Pulmonary emphysema (disorder)"},
			{"64859006", "Osteoporosis (disorder)"},
			{"84757009", "Epilepsy"},
			{"26929004", "Alzheimer's disease (disorder)"},
		},
		procedures: []coded{
			{"430193006", "Medication Reconciliation (procedure)"},
			{"710824005", "Assessment of health and social care needs (procedure)"},
			{"171207006", "Depression screening (procedure)"},
			{"454711000124102", "Depression screening using Patient Health Questionnaire Two-Item score (procedure)"},
			{"715252007", "Depression screening using Patient Health Questionnaire Nine Item score (procedure)"},
			{"866148006", "Screening for domestic abuse (procedure)"},
			{"76601001", "Intramuscular injection"},
			{"117015009", "Throat culture (procedure)"},
			{"269911007", "Sputum examination (procedure)"},
			{"23426006", "Measurement of respiratory function (procedure)"},
			{"73761001", "Colonoscopy"},
			{"265764009", "Renal dialysis (procedure)"},
			{"274031008", "Rectal polypectomy"},
			{"399208008", "Plain chest X-ray (procedure)"},
			{"80146002", "Appendectomy"},
			{"232717009", "Coronary artery bypass grafting"},
		},
		drugs: []coded{
			{"314076", "lisinopril 10 MG Oral Tablet"},
			{"310798", "Hydrochlorothiazide 25 MG Oral Tablet"},
			{"860975", "24 HR Metformin hydrochloride 500 MG Extended Release Oral Tablet"},
			{"314231", "Simvastatin 10 MG Oral Tablet"},
			{"308136", "amLODIPine 2.5 MG Oral Tablet"},
			{"313782", "Acetaminophen 325 MG Oral Tablet"},
			{"849574", "Naproxen sodium 220 MG Oral Tablet"},
			{"308182", "Amoxicillin 250 MG Oral Capsule"},
			{"245134", "72 HR Fentanyl 0.025 MG/HR Transdermal System"},
			{"895994", "120 ACTUAT Fluticasone propionate 0.044 MG/ACTUAT Metered Dose Inhaler"},
			{"855332", "Warfarin Sodium 5 MG Oral Tablet"},
			{"1049630", "diphenhydrAMINE Hydrochloride 25 MG Oral Tablet"},
		},
		vaccines: []coded{
			{"140", "Influenza, seasonal, injectable, preservative free"},
			{"208", "SARS-COV-2 (COVID-19) vaccine, mRNA, spike protein, LNP"},
			{"113", "Td (adult) preservative free"},
			{"33", "pneumococcal polysaccharide vaccine, 23 valent"},
			{"20", "DTaP"},
			{"10", "IPV"},
			{"03", "MMR"},
			{"08", "Hep B, adolescent or pediatric"},
			{"62", "HPV, quadrivalent"},
		},
		visits: []coded{
			{"162673000", "General examination of patient (procedure)"},
			{"185345009", "Encounter for symptom"},
			{"185349003", "Encounter for check up (procedure)"},
			{"390906007", "Follow-up encounter"},
			{"185347001", "Encounter for problem"},
			{"424441002", "Prenatal initial visit"},
			{"50849002", "Emergency room admission (procedure)"},
			{"185389009", "Follow-up visit (procedure)"},
		},
		surveys: []coded{{"72514-3", "Pain severity - 0-10 verbal numeric rating [Score] - Reported"}, {"72166-2", "Tobacco smoking status NHIS"}, {"55758-7", "Patient Health Questionnaire 2 item (PHQ-2) total score [Reported]"}, {"70274-6", "Generalized anxiety disorder 7 item (GAD-7) total score [Reported.PHQ]"}},
		sentences: []string{
			"Patient presents for a routine check and feels well.", "Reports mild fatigue over the last two weeks, no fever.",
			"Blood pressure at home between 135/85 and 150/95.", "Advised on salt, exercise and weight; will keep a diary of readings.",
			"No known allergies.", "Lungs clear, heart sounds regular, abdomen soft.", "Medication was reviewed and continued without change.",
			"Discussed the results of the last laboratory panel.", "Symptoms have improved since the previous visit.",
			"Will return in three months, earlier if symptoms get worse.", "Sleeps well, appetite normal, no change of weight.",
			"Referred for further assessment; letter to follow.", "Wound is dry and without signs of infection.", "Understands the plan and agrees to it.",
		},
	}
}
