"""The steps at Microsoft that a technology box needs (manual chapter 5), with the cmdlets of today."""

from __future__ import annotations

from crmservice.cli.words import _

# learn.microsoft.com/exchange/client-developer/legacy-protocols/
# how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth; AzureAD's cmdlets were retired.
CMDLETS = """\
    Install-Module ExchangeOnlineManagement, Microsoft.Graph.Applications
    Connect-MgGraph -Scopes Application.Read.All
    Connect-ExchangeOnline
    $app = Get-MgServicePrincipal -Filter "appId eq 'APPLICATION-ID'"
    New-ServicePrincipal -AppId $app.AppId -ObjectId $app.Id -DisplayName "CRMService"
    Add-MailboxPermission -Identity "{email}" -User $app.Id -AccessRights FullAccess
    New-TransportRule -Name "CRMService IN/OUT" -BlindCopyTo "{email}" -ExceptIfSentTo "{email}"
"""


def forwarding(email: str) -> str:
    """What is left to do at any mail server, for the technology box of this address."""
    return _(
        "Forward all employees' incoming mail to {email}, and have outgoing mail copied there (Bcc).\n"
        "A rule of the mail server does both at once. A journal rule gives more than a Bcc rule: its report names blind\n"
        "copies and the members of lists; set journal=true then. (Exchange Online journals to outside mailboxes alone.)"
    ).format(email=email)


def steps(email: str) -> str:
    """The steps in the Microsoft portal and in PowerShell for the technology box of this address."""
    intro = _(
        "1. portal.azure.com, App registrations, New registration. Note the application id and the directory (tenant) id.\n"
        "2. Certificates & secrets, New client secret. Copy its value, not its id.\n"
        "3. API permissions, of type Application, and only those needed, then 'Grant admin consent':\n"
        "     Office 365 Exchange Online: POP.AccessAsApp (pop3Url) or IMAP.AccessAsApp (imapUrl)\n"
        "     Microsoft Graph: Mail.ReadWrite (graphMailbox); Calendars.ReadWrite and User.Read.All (calendars)\n"
        "   Nothing here needs Group.ReadWrite.All; remove it if it was granted.\n"
        "4. Write Config/MicrosoftOAuth.json (docs/configuration.md shows it).\n"
        "5. In PowerShell; the object id is the one of the Enterprise application, not of the app registration:"
    )
    return f"{intro}\n{CMDLETS.format(email=email)}"
