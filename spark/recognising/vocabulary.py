"""Words of which names of columns of health data are made, and what their abbreviations stand for."""

_ABBREVIATIONS = """
1st=first 2nd=second 3rd=third 4th=fourth 5th=fifth acct=account actv=active addr=address address1=address
addtl=additional adj=adjustment adm=admission admit=admission admtng=admitting adr=address am=amount amt=amount
anes=anesthesia apellido=last_name appt=appointment apt=apartment atnd=attending attn=attending auth=authorization
avg=average bdate=birth_date bday=birth_date bdt=birth_date beg=begin ben=beneficiary bene=beneficiary
benef=beneficiary bgn=begin bldg=building blng=billing bp=blood_pressure bth=birth bus=business carr=carrier
cat=category cc=country_code cd=code cell=mobile cert=certificate chg=charge chgs=charge chrgs=charge clm=claim
cnt=count cntct=contact cntl=control cntrl=control cntry=country cnty=county cod=code coins=coinsurance comm=comment
corp=corporation correo=email cov=coverage covg=coverage crnt=current cst=cost ct=count ctc=contact ctr=center
ctrl=control ctry=country cur=current cust=customer cvrage=coverage cvrd=covered cvrg=coverage dat=date dcsd=death
ddctbl=deductible deceased=death dept=department desc=description descr=description dest=destination dgns=diagnosis
diag=diagnosis dis=discharge disch=discharge dischg=discharge disp=disposition dl=drivers_license dob=birth_date
dod=death_date dos=service_date dr=doctor dspnsd=dispensed dt=date dte=date dtm=datetime dttm=datetime dur=duration
dx=diagnosis ecode=diagnosis_code efctv=effective eff=effective elig=eligibility emer=emergency emerg=emergency
emp=employee employ=employer enc=encounter enr=enrollment enrlmt=enrollment entlmt=entitlement eth=ethnicity
ethnic=ethnicity exp=expiration expired=death ext=extension fac=facility fam=family fein=ein fn=first_name
fname=first_name forename=first_name frm=from fst=first fullname=full_name geburtsdatum=birth_date gend=gender
gender=sex gndr=gender gp=group gpi=drug_code gr=group grp=group guar=guarantor hcp=provider hic=hicn hicno=hicn
hist=history hm=home hosp=hospital hospitalization=hospital hphone=home_phone hr=hour hrs=hours ht=height
ident=identification identifier=id ii=two iii=three ind=indicator indi=indication individual=person indv=person
init=initial inits=initial ins=insurance insrd=insured inst=institution intl=international invc=invoice labs=lab
lang=language lat=latitude lbn=legal_business_name ld=load lic=license licence=license ln=last_name lname=last_name
lng=longitude loc=location lon=longitude los=length_of_stay lst=last ltr=letter mbr=member mdcr=medicare mdfr=modifier
med=medical mem=member mfr=manufacturer mi=middle_initial mid=middle midl=middle minit=middle_initial mlg=mailing
mlng=mailing mname=middle_name mob=mobile mod=modifier mon=month mons=months mos=months mstat=marital_status
nachname=last_name nbr=number nbre=number nm=name nme=name no=number nombre=name nr=number num=number occp=occupation
occr=occurrence op=operating ord=order org=organization orig=original ort=city ot=other oth=other othr=other
pat=patient payor=payer pcp=provider pd=paid pers=person pfx=prefix ph=phone pharm=pharmacy phn=phone phrmcy=pharmacy
phys=physician physn=physician plc=place pln=plan plyr=plan_year plz=zip pmt=payment pol=policy pos=place_of_service
postal=zip postcode=zip pr=procedure prac=practice prdr=provider prf=performing prim=primary princ=principal
prmry=primary proc=procedure prod=product prov=provider prsbng=prescribing prsnl=personal prvdr=provider prvs=previous
pt=patient ptnt=patient px=procedure pymt=payment pyr=payer qlfyr=qualifier qty=quantity rec=record recip=recipient
ref=reference refer=referring reg=region rel=relationship rept=report results=result rev=revenue rfr=referring
rfrg=referring rfrnc=reference rndr=rendering rndrng=rendering rpt=report rsn=reason rx=prescription sa=subject
schd=schedule sec=secondary seq=sequence sfx=suffix sndr=sender soc=social spclty=specialty spec=specialty src=source
srv=service srvc=service ssno=ssn st=state stat=status stmt=statement str=street strasse=street strt=street sts=status
stus=status sub=subscriber subj=subject subs=subscriber surg=surgical surname=last_name svc=service sw=switch
tel=phone tele=phone telephone=phone thru=through tm=time tot=total totl=total trans=transaction ts=timestamp
tx=treatment txn=transaction txt=text typ=type uniq=unique unq=unique uom=unit usr=user utlztn=utilization val=value
vbm=verbatim ver=version vorname=first_name wk=work wphone=work_phone wt=weight xref=cross_reference yr=year yrs=years
zip4=zip zip5=zip zipcode=zip_code
"""

ABBREVIATIONS = {short: long.replace("_", " ") for short, _, long in (x.partition("=") for x in _ABBREVIATIONS.split())}
"""Token: the word or words it stands for. Those that only lack their vowels are not in it: see `words`."""

_WORDS = """
ability account active actual additional address adjustment adjustments administration admission admit admitting adult
age agency allergy allowed amount and annual apartment applicable appointment approved area associated attend
attending author authorization average balance base batch begin beneficiary benefit bill billed billing biological
birth birthday birthplace blood body box branch building business by candidate capital card care carrier case cash
category cause cell center certificate change charge charges charity chart check chief child chronic citizenship city
claim class classification clinic clinical close code coinsurance collection comment comments company component
concept condition confirmed contact content contract contractor control coordinates copay corporation cost count
country county coverage covered cpt created credential credit cross current customer customers daily data date
datetime day days dea deactivation death deductible delay delivery denial department description destination device
diagnosis diastolic disability discharge disease dispense dispensed dispenses dispensing disposition dispute distance
doctor document dollars dose drg driver drivers drug duration effective ein electronic eligibility email emergency
employee employer employment encounter encounters end endpoint enrollment entitlement entity enumeration episode error
ethnicity event exam expenditure expense expenses expiration extension facility family father fax fee file fill final
finding fips first flag for form formulary frequency from full gender given gps grade group guarantor guardian guid
hcpcs health healthcare height hicn history home hospital hour hours household icd icd10 icd9 id identification
illness image immunization immunizations in income indication indicator individual industry initial injury inpatient
instance institution institutional insurance insured interest international interpreter invoice is issue issuer item
key kind lab label laboratory language last latitude legal length letter level license line link list load location
login loinc longitude lot maiden mail mailing manufacturer marital maximum mbi mdc measure medicaid medical medicare
medication medications member message method middle minimum mobile modality modified modifier month months mother mrn
name nationality nature ndc new next note notes npi number observation occupation occurrence of office official on
open operating order ordering organization original other out outcome outpatient outstanding owner ownership page paid
parent parish part participant passport patient payer payment payments per percent performing period permanent person
personal pharmacy phone photo physician place plan player point policy position practice practitioner prefix pregnancy
prescriber prescribing prescription present previous price primary principal prior problem procedure procedures
process processing product profile program prosthetic provider province publication purchase purpose qualifier quality
quantity query question race range rate ratio reaction reactivation reason received recipient record reference
referral referring refills region registration reimbursement relationship release religion remark remarks rendering
replacement report reporter research resource respondent response result revenue role route row rrb sample schedule
school score second secondary section segment seller sender sequence serial series service severity sex shipping
signature site size snomed social source speciality specialty specimen spouse ssn staff start state statement status
stay step stop store street strength study subject submitted subscriber suffix summary supervising supervisor
supplemental supply surgery surgical switch symptom system systolic taxonomy telephone temperature term test text the
therapy third through time timestamp tin title to total town transaction transfer transfers travel treating treatment
trial type uid uncovered unique unit units update updated uri url user utilization uuid vaccine value vendor verbatim
version veteran vin visit vital volume wage ward web website weekday weight with work worker year years zip zone
"""

WORDS = frozenset(_WORDS.split())
