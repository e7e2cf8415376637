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
{access}\
    New-TransportRule -Name "CRMService IN/OUT" -BlindCopyTo "{email}" -ExceptIfSentTo "{email}"
"""

FULL_ACCESS = """\
    Add-MailboxPermission -Identity "{email}" -User $app.Id -AccessRights FullAccess
"""
"""For POP3, IMAP and SMTP."""

# learn.microsoft.com/exchange/permissions-exo/application-rbac; it replaces New-ApplicationAccessPolicy.
ONE_MAILBOX = """\
    New-ManagementScope -Name "CRMService" -RecipientRestrictionFilter "PrimarySmtpAddress -eq '{email}'"
    New-ManagementRoleAssignment -App $app.Id -Role "Application Mail.ReadWrite" -CustomResourceScope "CRMService"
    Test-ServicePrincipalAuthorization -Identity $app.Id -Resource "{email}"
"""
"""For Graph: the right over this mailbox alone. Granted in the portal it holds for every mailbox of the tenant."""


def forwarding(email: str) -> str:
    """What is left to do at any mail server, for the technology box of this address."""
    return _(
        "Forward all employees' incoming mail to {email}, and have outgoing mail copied there (Bcc).\n"
        "A rule of the mail server does both at once. A journal rule gives more than a Bcc rule: its report names blind\n"
        "copies and the members of lists; set journal=true then. (Exchange Online journals to outside mailboxes alone.)"
    ).format(email=email)


def steps(email: str, *, graph: bool) -> str:
    """The steps in the Microsoft portal and in PowerShell for the technology box of this address, read through Graph or not."""
    intro = _(
        "1. portal.azure.com, App registrations, New registration. Note the application id and the directory (tenant) id.\n"
        "2. Certificates & secrets, New client secret. Copy its value, not its id.\n"
        "3. API permissions, of type Application, and only those needed, then 'Grant admin consent':\n"
        "     Office 365 Exchange Online: POP.AccessAsApp (pop3Url), IMAP.AccessAsApp (imapUrl), SMTP.SendAsApp (smtpOAuth)\n"
        "     Microsoft Graph: Calendars.ReadWrite and User.Read.All (calendars)\n"
        "   For graphMailbox none: step 5 gives Mail.ReadWrite for this mailbox; given here it holds for all mailboxes.\n"
        "   Nothing here needs Group.ReadWrite.All; remove it if it was granted.\n"
        "4. Write Config/MicrosoftOAuth.json (docs/configuration.md shows it).\n"
        "5. In PowerShell; the object id is the one of the Enterprise application, not of the app registration:"
    )
    access = (ONE_MAILBOX if graph else FULL_ACCESS).format(email=email)
    return f"{intro}\n{CMDLETS.format(email=email, access=access)}"
