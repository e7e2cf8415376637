import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('store', '0002_service'),
    ]

    operations = [
        migrations.AddField(
            model_name='notice',
            name='since',
            field=models.DateTimeField(default=django.utils.timezone.now),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='notice',
            name='told',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='outgoing',
            name='about',
            field=models.CharField(blank=True, max_length=40),
        ),
        migrations.AddIndex(
            model_name='notice',
            index=models.Index(fields=['kind', 'box', 'about'], name='notice_matter'),
        ),
        migrations.AddIndex(
            model_name='outgoing',
            index=models.Index(fields=['kind', 'recipient', 'made'], name='outgoing_recent'),
        ),
    ]
