"""Words that user agents of bots have and those of browsers do not: data, made by scripts/refresh_bots.py.

Source: crawler-user-agents 1.67.0, https://github.com/monperrus/crawler-user-agents, MIT licence,
Copyright (c) 2017 Martin Monperrus. One word of each of its patterns; 2092 of the 2123 user agents it has seen
are known by these words and the general ones of actors/bots.py.
"""

# fmt: off
TEXT = """
abuse acquia adbeat adminlabs adwords alienfarm alittle anthropic ap3a appinsights appsiteassociation archiving
asana asnriskscorer biglotron bigsur bitbucket bitdiscovery blackboard blackbox blackduck bling blogtrottr botpoke
brandwatch brokenlinkcheck btwebclient bushbaby callout camo capitaloneshopping captain catchpoint centuryb
classifier cloudflare cloudfront coccoc cohere collapsify colly contentscan conversions cookiehubscan
cookiehubverify corporama criticalcss cron crusty cyotekwebcopy dareboost datadog datafeedwatch datanyze daumoa
determ digicert dmbrowser dotcom ec2linkfinder emailwolf emoney exodusmovement externalads externalagent
facebookcatalog facebookexternalhit fastdast fastmailua favicon fedoraplanet feed feedbin feeder feedflow feedreader
foregenix funnelback geedoshopproductfinder giftedvisitor googleassociationservice googleother gopay gotsitemonitor
gtmetrix happywing hardenize headlesschrome honeybadger hotjar httpie httpunit httpurlconnection hydrozen hyperhost
imagemind imgproxy importmanager indexer instapaper integromat internetvista iubenda jetmon jetty jumio kaikki
keycdn keydrop klaviyo l9explore legalmonster linkdex linktiger logicmonitor luminator magicsearchdev managewp manus
marginalia marketgoo mediapartners mediavinemetadataparser meltwaternews metaiab metauri metorik mobileok
modularconnector monitorss montastic nbertaupete95 netapi netsystemsresearch netvigie newsai newsgathering newsnow
newspaper nikto ning nodeping novellum nuzzel nvdorz omnisend onebox onetrust openrss openvas outbrain owler panopta
panscient pcore pdf24 penthouse physicalweb pingping pixalate playwright postrank potions printfriendly ptst
puppeteer pwabuilderhttpagent reelevant researchscan salesforce scanning scope3 searcherweb searcherxweb
searchexpress securityheaders selenium sendgrid seo4ajax silktide sindup site24x7 siteimprove sitelock sitesucker
siteuptime sleuth snipcart solarwinds sora sparkpost sparkshipping spawning sqwatcher ssldetector stape sucuri
swisscows termly testlocally theinternetsearchx thinklab thousandeyes traackr trae trustly turingos twilioproxy
updown upflow uptime uptimedoctor uptrends urlcheckr vaultpress visionheight watchtowr webcopier webflow wesee
whatweb wheresitup wjhro wordup wordupinfosearch workona wpumbrella xrawler yahoocachesystem yokoygroupag zabbix
zapier zendesk zgrab zmeu
"""
