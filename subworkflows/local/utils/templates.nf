// Texts of assets/ with the facts of a run filled in.

def filled(template, facts) {
    def text = file("${projectDir}/assets/${template}").text
    new groovy.text.GStringTemplateEngine().createTemplate(text).make(facts).toString()
}

def escaped(text) {
    groovy.xml.XmlUtil.escapeXml(text.toString())
}
